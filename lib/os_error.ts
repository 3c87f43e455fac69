/**
 * The runtime's own errors in our words: its files and sockets say `Is a directory (os error 21)`.
 *
 * @module
 */

/** A failed call of the runtime's. */
export interface OsError {
  /** By name, such as `ENOSPC`. */
  readonly errno: string;
  /** `ENOSPC (no space left on device)` */
  readonly reason: string;
  /** What the runtime says it was doing, such as `open '/tmp'`; empty where it does not say. */
  readonly call: string;
}

/** What an error of the runtime's says; null for any other error. */
export function osError(error: unknown): OsError | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  const { code, message } = error;
  const match = /^(.+?) \(os error [0-9]+\)(?:: (.*))?$/s.exec(message);
  if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code) || match === null) return null;
  const [, words, call = ""] = match;
  return { errno: code, reason: `${code} (${words[0].toLowerCase()}${words.slice(1)})`, call };
}
