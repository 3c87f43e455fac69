/**
 * Bounded reads of a dump, whatever it stands in.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";

/** Something with bytes at offsets: a file, or a flattened dump put in order. */
export interface Reader {
  /** Bytes; reads past it are short. */
  readonly size: number;
  /** What it is, for errors: the path. */
  readonly label: string;
  /** Copies from `offset` on into `target`; gives how many bytes there were. */
  readInto(offset: number, target: Uint8Array): number;
}

/** A view of exactly `length` bytes at `offset`. Throws ProtocolError naming what was cut short. */
export function need(
  reader: Reader,
  protocol: string,
  item: string,
  offset: number,
  length: number,
): DataView {
  // Known before room is made for it: what a header says can be any number.
  const left = Number.isSafeInteger(offset) && offset >= 0 ? Math.max(0, reader.size - offset) : 0;
  const bytes = new Uint8Array(Math.min(length, left));
  const got = bytes.length === 0 ? 0 : reader.readInto(offset, bytes);
  if (got < length) {
    throw new ProtocolError(
      protocol,
      item,
      `${length} bytes`,
      `${got}: ${reader.label} ends`,
      offset,
    );
  }
  return new DataView(bytes.buffer);
}

/** A 64-bit field as a number. Throws ProtocolError where it is not exact: no dump is that large. */
export function exact(value: bigint, protocol: string, item: string): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new ProtocolError(protocol, item, "less than 2^53", `0x${value.toString(16)}`);
}
