/**
 * What was typed into shells before, in a file of the user's own.
 *
 * @module
 */

/** Lines kept. */
export const HISTORY_LENGTH = 1000;

/** Bytes of the file that are read. */
const LIMIT = 1 << 20;

/** `$XDG_STATE_HOME/guestmem/history`, else under `~/.local/state`; null without a home. */
export function historyPath(
  environment: (name: string) => string | undefined = (name) => Deno.env.get(name),
): string | null {
  const state = environment("XDG_STATE_HOME") ?? "";
  if (state.startsWith("/")) return `${state}/guestmem/history`;
  const home = environment("HOME") ?? "";
  return home.startsWith("/") ? `${home}/.local/state/guestmem/history` : null;
}

/** The lines, the newest first; none where they can not be read. */
export function readHistory(path: string | null): string[] {
  try {
    if (path === null || Deno.statSync(path).size > LIMIT) return [];
    const lines = Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
    return lines.reverse().slice(0, HISTORY_LENGTH);
  } catch (error) {
    if (isUnavailable(error)) return [];
    throw error;
  }
}

/** Keeps the lines, for the user alone. Does nothing where that can not be: it is a convenience. */
export function writeHistory(path: string | null, newestFirst: readonly string[]): void {
  if (path === null) return;
  const lines = newestFirst.slice(0, HISTORY_LENGTH).toReversed();
  try {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
    const next = `${path}.${crypto.randomUUID()}`;
    Deno.writeTextFileSync(next, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    Deno.renameSync(next, path);
  } catch (error) {
    if (!isUnavailable(error)) throw error;
  }
}

/** A home that is read-only, full or not there. */
function isUnavailable(error: unknown): boolean {
  return error instanceof Error && !(error instanceof TypeError);
}
