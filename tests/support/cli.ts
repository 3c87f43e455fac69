/**
 * Runs the command line as a user does: a process of its own, with the permissions that `deno task
 * guestmem` grants and no others.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import { checkOutput } from "./schemas.ts";

/** The repository: where a run starts. */
export const ROOT = new URL("../../", import.meta.url);

/** What a run printed, and how it ended. */
export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A run under way. */
export interface Running {
  readonly process: Deno.ChildProcess;
  /**
   * Waits for a line of stdout that matches, and gives it; with `behind`, for one after the last that
   * matches that. Throws when stdout ends before.
   */
  line(pattern: RegExp, behind?: RegExp): Promise<string>;
  /** Sends a signal, reads the rest, and waits for the end. */
  end(signal?: Deno.Signal): Promise<Run>;
}

/** Options of a run. */
export interface RunOptions {
  readonly env?: Record<string, string>;
}

/** The words of a run, program included: for a shell. */
export function commandLine(args: readonly string[]): string[] {
  const [, ...words] = config.tasks.guestmem.split(" ");
  return [Deno.execPath(), ...words, ...args];
}

function command(args: readonly string[], options: RunOptions): Deno.Command {
  const [program, ...words] = commandLine(args);
  return new Deno.Command(program, {
    args: words,
    cwd: ROOT,
    env: options.env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs to the end. JSON that it prints must be as its schema says. */
export async function guestmem(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { code, stdout, stderr } = await command(args, options).output();
  const decoder = new TextDecoder();
  const out = decoder.decode(stdout);
  checkOutput(out);
  return { code, out, err: decoder.decode(stderr) };
}

/** Runs to the end and gives stdout as bytes. */
export async function guestmemBytes(args: readonly string[]): Promise<Uint8Array> {
  const { stdout } = await command(args, {}).output();
  return stdout;
}

/** Starts a run. Its owner calls `end` on every path. */
export function startGuestmem(args: readonly string[], options: RunOptions = {}): Running {
  const process = command(args, options).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const err = new Response(process.stderr).text();
  let out = "";
  return {
    process,
    async line(pattern, behind) {
      for (;;) {
        const lines = out.split("\n").slice(0, -1);
        const from = behind === undefined ? -1 : lines.findLastIndex((text) => behind.test(text));
        const open = behind === undefined || from >= 0;
        const found = lines.slice(from + 1).find((text) => open && pattern.test(text));
        if (found !== undefined) return found;
        const { done, value } = await reader.read();
        if (done) throw new Error(`no ${pattern} in:\n${out}${await err}`);
        out += value;
      }
    },
    async end(signal) {
      if (signal !== undefined) kill(process, signal);
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        out += part.value;
      }
      return { code: (await process.status).code, out, err: await err };
    },
  };
}

/** It may have ended by itself. */
function kill(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A folder that is gone when the test is over. */
export async function temporaryFolder(
  dir?: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "guestmem-", dir });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
