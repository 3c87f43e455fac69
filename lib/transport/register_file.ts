/**
 * Registers as decoders see them: a device's, or a test's.
 *
 * @module
 */

/** Widths that a register access can have, in bits. */
export type Width = 8 | 16 | 32;

/** Registers by byte offset; values are unsigned, in host order. */
export interface RegisterFile {
  /** Bytes that can be addressed. */
  readonly length: number;
  /** One access of exactly that width. May have side effects in the device. */
  read(offset: number, width: Width): number;
}

/** Registers that may be written. */
export interface WritableRegisterFile extends RegisterFile {
  write(offset: number, width: Width, value: number): void;
}

/** Two 32-bit registers as one 64-bit value, low half first. */
export function read64(registers: RegisterFile, low: number, high: number): bigint {
  const value = BigInt(registers.read(low, 32));
  return value | BigInt(registers.read(high, 32)) << 32n;
}

/** Whether [offset, offset + width) is within the file. */
export function hasRegister(registers: RegisterFile, offset: number, width: Width): boolean {
  return offset + width / 8 <= registers.length;
}
