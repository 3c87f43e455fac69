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
  const bytes = new Uint8Array(length);
  const got = Number.isSafeInteger(offset) && offset >= 0 ? reader.readInto(offset, bytes) : 0;
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
