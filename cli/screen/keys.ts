/**
 * From a terminal's bytes to keys.
 *
 * @module
 */
import { emitKeypressEvents, type Interface } from "node:readline";
import { PassThrough } from "node:stream";

/** Milliseconds in which the rest of a sequence must follow its Escape; a slow line wants some. */
const ESCAPE = 100;

/** What `node:readline` tells of a key. */
interface Keypress {
  readonly name?: string;
  readonly ctrl: boolean;
  readonly meta: boolean;
}

/**
 * Takes bytes as they come and calls `press` for each key: a character (`K`, `/`, `é`), or a name
 * (`up`, `pagedown`, `enter`, `escape`, `ctrl-c`, `alt-x`).
 */
export function keyDecoder(press: (key: string) => void): (bytes: Uint8Array) => void {
  const stream = new PassThrough();
  // An interface is only asked for the time that it waits after an Escape.
  emitKeypressEvents(stream, { escapeCodeTimeout: ESCAPE } as unknown as Interface);
  stream.on("keypress", (text: string | undefined, key: Keypress) => {
    const name = nameOf(text, key);
    if (name !== null) press(name);
  });
  return (bytes) => void stream.write(bytes);
}

function nameOf(text: string | undefined, { name, ctrl, meta }: Keypress): string | null {
  if (name === "escape") return "escape";
  if (meta) return name === undefined ? null : `alt-${name}`;
  if (ctrl) return name === undefined ? null : `ctrl-${name}`;
  if (text !== undefined && isPrintable(text)) return text;
  return name === "return" ? "enter" : name ?? null;
}

function isPrintable(text: string): boolean {
  return Array.from(text).length === 1 && !/\p{Cc}/u.test(text);
}
