/**
 * Someone at a terminal, which script(1) makes.
 *
 * @module
 */
import { ROOT } from "./cli.ts";

/** Someone who types, and reads what the terminal shows. */
export interface Typist extends AsyncDisposable {
  /** Types, and waits until the terminal shows what matches since. Gives all that it showed. */
  type(keys: string, shows: RegExp): Promise<string>;
  /** Waits until the terminal shows what matches since. Gives all that it showed. */
  shows(pattern: RegExp): Promise<string>;
  /** Types, and waits for the end. Gives the exit code. */
  leave(keys: string): Promise<number>;
}

/** How long something may take to show, in milliseconds. */
const PATIENCE = 15_000;

/** Runs a command on a terminal of its own. */
export function openTerminal(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Typist {
  // A shell that stays would be told of Ctrl-C, too, and end with its code.
  const line = `exec ${command.map((word) => `'${word}'`).join(" ")}`;
  const child = new Deno.Command("script", {
    args: ["-qfec", line, "/dev/null"],
    cwd: ROOT,
    env: { TERM: "xterm", SHELL: "/bin/sh", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let shown = "";
  const send = (keys: string) => writer.write(new TextEncoder().encode(keys));
  const shows = async (pattern: RegExp) => {
    // Whoever waits in vain is told so by the end of the output.
    const late = setTimeout(() => kill(child), PATIENCE);
    while (!pattern.test(shown)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`no ${pattern} in ${JSON.stringify(shown)}`);
      shown += value;
    }
    clearTimeout(late);
    const all = shown;
    shown = "";
    return all;
  };
  return {
    shows,
    async type(keys, pattern) {
      await send(keys);
      return await shows(pattern);
    },
    async leave(keys) {
      await send(keys);
      const late = setTimeout(() => kill(child), PATIENCE);
      while (!(await reader.read()).done);
      clearTimeout(late);
      await writer.close();
      return (await child.status).code;
    },
    async [Symbol.asyncDispose]() {
      kill(child);
      await reader.cancel();
      await writer.close().catch(() => {});
      await child.status;
    },
  };
}

/** It may have ended by itself. */
function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
