/**
 * What a command gets from `main.ts`: the way to its output, and the signal to stop. Commands never
 * touch stdout or the exit code themselves.
 *
 * @module
 */
import type { Holder } from "../lib/session/holder.ts";

/** The whole terminal, taken by one command until it is disposed. */
export interface Screen extends Disposable {
  /** Keys can be read: stdin is the terminal, too. */
  readonly keys: boolean;
  size(): { readonly columns: number; readonly rows: number };
  /** Shows lines from the first row on. Writes what changed only. */
  draw(lines: readonly string[]): Promise<void>;
}

/** What a screen reports. */
export interface ScreenEvents {
  /** A character, or the name of another key: `up`, `enter`, `ctrl-c`. Ctrl-C is a key here. */
  key(key: string): void;
  resize(size: { readonly columns: number; readonly rows: number }): void;
  /** What would go to stderr, were that not the screen. */
  notice(text: string): void;
}

/** The world as a command sees it. */
export interface Context {
  /** Aborted by Ctrl-C, SIGTERM or SIGHUP. Commands end soon after, with everything closed. */
  readonly signal: AbortSignal;
  /** stdout is a terminal. */
  readonly terminal: boolean;
  /** stderr is a terminal: progress may be shown. */
  readonly progress: boolean;
  /** The terminal's size now; 80 by 24 where there is none. */
  size(): { readonly columns: number; readonly rows: number };
  /** Writes a text and a line end to stdout. Ends the program quietly when nobody reads any more. */
  print(text: string): Promise<void>;
  /** Writes bytes to stdout. They must be a copy: mapped memory that vanishes kills the process. */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes a line to stderr, escaped. */
  warn(text: string): void;
  /** Sets the exit code of a command that does not fail: 3 for findings with `--check`. */
  exit(code: number): void;
  /** Gives Ctrl-C to `handler` instead of `signal` until disposed: for a shell, which goes on. */
  takeInterrupt?(handler: () => void): Disposable;
  /** Takes the terminal whole, where `terminal` is; absent where it can not do that (TERM=dumb). */
  takeScreen?(events: ScreenEvents): Promise<Screen>;
  /** What a script or shell holds under names; absent where mappings end with their command. */
  readonly session?: Holder | null;
}

/** A wrong command line that the argument parser can not see: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  constructor(message: string, readonly remedy = "") {
    super(message);
  }
}

/** Prints lines for a script; where there are none nothing at all, and no empty line. */
export async function printLines({ print }: Context, lines: string): Promise<void> {
  if (lines !== "") await print(lines);
}

/** Columns that a table may take: the terminal's, or any number where there is none. */
export function widthOf({ terminal, size }: Context): number {
  return terminal ? size().columns : Infinity;
}

/** Waits for Ctrl-C. */
export function interrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  // A signal listener alone does not keep the process alive once its promise is all that is left.
  const alive = setInterval(() => {}, 1 << 30);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearInterval(alive));
}

/** Waits `milliseconds`, or less when interrupted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}
