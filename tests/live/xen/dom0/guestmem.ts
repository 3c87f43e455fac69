/**
 * The command line in dom0: most commands run in the tests' own process, with a context that keeps
 * their output, as a start of Deno takes seconds under emulation; those that are about how a process
 * ends are processes.
 *
 * @module
 */
import { Command } from "@commander-js/extra-typings";
import { addCommands, COMMANDS } from "../../../../cli/commands.ts";
import type { Context } from "../../../../cli/context.ts";
import type { XlGuest } from "./guests.ts";

/** A guest as a target. */
export const xen = (guest: XlGuest, tail = ""): string => `xen:${guest.domain}${tail}`;

/** What a command printed, and its exit code. */
export interface Outcome {
  readonly text: string;
  readonly code: number;
}

/** Runs a command to its end. */
export async function guestmem(...words: string[]): Promise<Outcome> {
  return await guestmemUntil(new AbortController().signal, () => {}, ...words);
}

/** The same, ended by a signal; `printed` sees each text as it is printed. */
export async function guestmemUntil(
  signal: AbortSignal,
  printed: (text: string) => void,
  ...words: string[]
): Promise<Outcome> {
  const lines: string[] = [];
  let code = 0;
  const print = (text: string) => {
    lines.push(text);
    printed(text);
    return Promise.resolve();
  };
  const context: Context = {
    ...{ signal, terminal: false, progress: false, print },
    size: () => ({ columns: 80, rows: 24 }),
    write: (bytes) => print(new TextDecoder().decode(bytes)),
    warn: (text) => lines.push(text),
    exit: (value) => code = value,
  };
  const program = new Command("guestmem").exitOverride();
  await addCommands(program, COMMANDS, context, words);
  await program.parseAsync(words, { from: "user" });
  return { text: lines.join("\n"), code };
}

/** A port of loopback that nobody listens on. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Starts the real command line and waits until it says that it holds. */
export async function holder(...words: string[]): Promise<Deno.ChildProcess> {
  return await started("held until Ctrl-C", ...words);
}

/** Starts the real command line and waits until it has printed something. */
export async function started(words: string, ...command: string[]): Promise<Deno.ChildProcess> {
  const flags = ["--no-check", "--cached-only", "--no-prompt", "--quiet", "-A"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, "cli/main.ts", ...command],
    ...{ stdin: "null", stdout: "piped", stderr: "inherit" },
  }).spawn();
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes(words)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`ended early: ${text}`);
    text += new TextDecoder().decode(value);
  }
  await reader.cancel();
  return child;
}

/** Waits until something is so. */
export async function until(done: () => Promise<boolean>, seconds = 20): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await done()) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
