/**
 * Messages of the ivshmem server protocol, version 0: one signed 64-bit little-endian integer each,
 * with at most one fd beside it, from the server to the client only.
 *
 * Source: QEMU docs/specs/ivshmem-spec.rst, "Client-Server protocol".
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";

/** Bytes of a message. */
export const MESSAGE_LENGTH = 8;

/** The only version there is (QEMU 2.5 and later). */
export const VERSION = 0;

/** Value of the message that carries the shared memory's fd. */
export const MEMORY = -1;

/** Largest peer id: they are 16 bits wide in the doorbell register. */
export const MAX_ID = 0xffff;

/**
 * Vectors of a peer that can be rung: QEMU decodes only the low 8 bits of the doorbell's vector field
 * where it does so itself (hw/misc/ivshmem-pci.c).
 */
export const MAX_VECTORS = 256;

/** The 8 bytes of a message. */
export function encodeMessage(value: number): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(value) || value < MEMORY || value > MAX_ID) {
    throw new RangeError(`${value} is no ivshmem message: want -1 to ${MAX_ID}`);
  }
  const bytes = new Uint8Array(MESSAGE_LENGTH);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}

/** The value of a message. Throws ProtocolError where it is none that the protocol knows. */
export function decodeMessage(bytes: Uint8Array, offset: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const value = view.getBigInt64(0, true);
  if (value >= BigInt(MEMORY) && value <= BigInt(MAX_ID)) return Number(value);
  const wanted = `a value from -1 to ${MAX_ID}`;
  throw new ProtocolError("ivshmem", "message", wanted, String(value), offset);
}
