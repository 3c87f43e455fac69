/**
 * Lines out of a byte stream, with a bound on how much an unfinished line may hold.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";

/**
 * Longest line taken from a monitor, in bytes without its end. `info mtree -f` of a guest with 30
 * PCI devices is about 300 KB, the whole QMP schema about 250 KB.
 */
export const LINE_LIMIT = 8 << 20;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Collects bytes and gives them back line by line, without LF or CRLF. */
export class LineReader {
  /** The unfinished line; doubles as it grows, so that a peer that drips bytes costs no more. */
  #buffer = new Uint8Array(4096);
  /** Bytes of the unfinished line. */
  #held = 0;
  /** Bytes of all complete lines before, for error messages. */
  #offset = 0;

  constructor(readonly protocol: string, readonly limit = LINE_LIMIT) {}

  /** Bytes of the unfinished line held at present. */
  get pending(): number {
    return this.#held;
  }

  /**
   * Takes a chunk, which may be reused afterwards, and returns the lines it completes; empty ones
   * are left out. Throws `ProtocolError` for a line longer than the limit or one that is not UTF-8.
   */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#hold(chunk.subarray(from, end));
      const line = this.#take();
      if (line !== "") lines.push(line);
      from = end + 1;
    }
    this.#hold(chunk.subarray(from));
    return lines;
  }

  /** To be called at the end of the stream. Throws `ProtocolError` where it ends inside a line. */
  end(): void {
    if (this.#held === 0) return;
    const got = `the end of the stream after ${this.#held} bytes of a line`;
    throw new ProtocolError(this.protocol, "line", "a whole line", got, this.#offset);
  }

  #hold(bytes: Uint8Array): void {
    const length = this.#held + bytes.length;
    if (length > this.limit) {
      const [wanted, got] = [`a line of at most ${this.limit} bytes`, "more without an end"];
      throw new ProtocolError(this.protocol, "line", wanted, got, this.#offset);
    }
    if (length > this.#buffer.length) this.#grow(length);
    this.#buffer.set(bytes, this.#held);
    this.#held = length;
  }

  #grow(length: number): void {
    const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#held));
    this.#buffer = larger;
  }

  #take(): string {
    const bytes = this.#buffer.subarray(0, this.#held);
    const length = bytes[bytes.length - 1] === RETURN ? bytes.length - 1 : bytes.length;
    const text = this.#decode(bytes.subarray(0, length));
    this.#offset += this.#held + 1;
    this.#held = 0;
    return text;
  }

  #decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new ProtocolError(this.protocol, "line", "UTF-8 text", "other bytes", this.#offset);
    }
  }
}
