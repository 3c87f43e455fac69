/**
 * Frames out of a byte stream: first exactly the 12 bytes of a header, then exactly as many as it
 * says. Reading no further than the message's end is what keeps fds right: the kernel hands over
 * fds with the first byte they were sent with, so a longer read would give a later message's fds to
 * an earlier one.
 *
 * ```text
 * sent      [header A][payload A] [header B + fd][payload B]
 * read(64K) ------------------------------------------>  one read, one fd: whose?
 * read 12   --------->                                   A's header, no fd
 * ```
 *
 * A frame can arrive in any pieces; the fds of all its pieces are its own.
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import { HEADER_LENGTH, LIMIT } from "./constants.ts";
import { decodeHeader, type Header } from "./header.ts";

/** One message as it came: bytes and fds. Whoever takes it owns the fds. */
export interface Frame {
  /** What came before the payload. */
  readonly header: Header;
  /** Header and payload. */
  readonly bytes: Uint8Array;
  /** In the order they came. */
  readonly fds: readonly number[];
}

/** Payload of a frame: a view, not a copy. */
export function framePayload(frame: Frame): Uint8Array {
  return frame.bytes.subarray(HEADER_LENGTH);
}

/** Collects one frame after the other. */
export interface FrameReader {
  /** How many bytes to receive next, at most: never past the message's end. At least 1. */
  readonly wanted: number;
  /** Whether a message has begun and not ended. */
  readonly partial: boolean;
  /**
   * Takes what one receive gave, at most `wanted` bytes, and the fds that came along. Gives the
   * frame when it is complete. Throws ProtocolError where the stream is wrong; then, as after the
   * end of the stream, `take` gives the fds that are to be closed.
   */
  push(bytes: Uint8Array, fds: readonly number[]): Frame | null;
  /** fds of the unfinished message; the caller owns them from then on. */
  take(): number[];
}

/** A reader at the start of a message. */
export function frameReader(): FrameReader {
  let bytes = new Uint8Array(HEADER_LENGTH);
  let filled = 0;
  let header: Header | null = null;
  let fds: number[] = [];

  function restart(): void {
    bytes = new Uint8Array(HEADER_LENGTH);
    filled = 0;
    header = null;
    fds = [];
  }

  function beginPayload(): void {
    header = decodeHeader(bytes);
    const whole = new Uint8Array(HEADER_LENGTH + header.size);
    whole.set(bytes);
    bytes = whole;
  }

  return {
    get wanted(): number {
      return bytes.length - filled;
    },
    get partial(): boolean {
      return filled > 0 || fds.length > 0;
    },
    push(chunk: Uint8Array, received: readonly number[]): Frame | null {
      fds.push(...received);
      if (chunk.length > bytes.length - filled) throw new RangeError("more bytes than were wanted");
      if (fds.length > LIMIT.fds) throw tooMany(fds.length);
      bytes.set(chunk, filled);
      filled += chunk.length;
      if (header === null && filled === HEADER_LENGTH) beginPayload();
      if (header === null || filled < bytes.length) return null;
      const frame = { header, bytes, fds };
      restart();
      return frame;
    },
    take(): number[] {
      const left = fds;
      fds = [];
      return left;
    },
  };
}

function tooMany(count: number): ProtocolError {
  return new ProtocolError("vhost-user", "message", `at most ${LIMIT.fds} fds`, `${count}`);
}
