/**
 * Cuts the server's stream into messages and keeps each fd with the message it came with.
 *
 * The reader asks for exactly the bytes that the present message lacks, so that an fd received with
 * any part of it is its own: Linux may merge a message without fd into the read of the next one with.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import { decodeMessage, MESSAGE_LENGTH } from "./message.ts";

/** A message as it came. */
export interface IncomingMessage {
  readonly value: number;
  /** The caller owns it. */
  readonly fd: number | null;
}

/** Assembles messages from reads of at most {@linkcode MessageReader.missing} bytes. */
export class MessageReader {
  readonly #bytes = new Uint8Array(MESSAGE_LENGTH);
  #filled = 0;
  #fds: number[] = [];
  #offset = 0;

  /** Where the next read goes: as long as what the message still lacks. */
  get target(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#filled);
  }

  /** Whether the stream would end inside a message. */
  get partial(): boolean {
    return this.#filled > 0;
  }

  /**
   * Notes `length` bytes read into {@linkcode target} and the fds that came. Gives the message once
   * it is whole. Throws ProtocolError where it is none; `release` then has its fds.
   */
  push(length: number, fds: readonly number[]): IncomingMessage | null {
    this.#filled += length;
    this.#fds.push(...fds);
    if (this.#filled < MESSAGE_LENGTH) return null;
    if (this.#fds.length > 1) {
      const got = `${this.#fds.length} fds`;
      throw new ProtocolError("ivshmem", "message", "at most one fd", got, this.#offset);
    }
    const value = decodeMessage(this.#bytes, this.#offset);
    const [fd = null] = this.release();
    this.#filled = 0;
    this.#offset += MESSAGE_LENGTH;
    return { value, fd };
  }

  /** fds of a message that will not be delivered: the caller closes them. */
  release(): number[] {
    const fds = this.#fds;
    this.#fds = [];
    return fds;
  }
}
