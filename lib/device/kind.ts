/**
 * Structs as the standard writes them: a table of field names (in camelCase) and kinds, in the
 * order they lie in memory, without gaps. `Fields` reads them, {@linkcode show} makes them JSON-able.
 *
 * @module
 */
import type { Field } from "./decoder.ts";

/** How one field lies in memory and how it is shown. */
export interface Kind<T> {
  /** Bytes. */
  readonly size: number;
  /** Reads the value at `at`. `little` is the byte order of the stream it lies in. */
  read(view: DataView, at: number, little: boolean): T;
  /** The value as JSON-able data; undefined for what nobody wants to see (padding). */
  show(value: T): Field | undefined;
  /** Feature bits; without any of them the field is there but means nothing. */
  readonly features?: readonly number[];
}

/** A struct: fields in memory order. */
export interface Layout {
  readonly [field: string]: Kind<unknown>;
}

/** What was read of a struct: a field that the bytes did not reach is absent. */
export type Values<L extends Layout> = {
  readonly [K in keyof L]?: L[K] extends Kind<infer T> ? T : never;
};

/** Fields of a decoded request while it is put together; undefined ones are left out. */
export interface Shown {
  readonly [key: string]: Field | undefined;
}

/** The fields that are there. */
export function defined(fields: Shown): { [key: string]: Field } {
  const there: { [key: string]: Field } = {};
  for (const name in fields) {
    const field = fields[name];
    if (field !== undefined) there[name] = field;
  }
  return there;
}

/** Names of values or of bits, by number. Arrays serve where the numbers start at 0. */
export interface Names {
  readonly [value: number]: string;
}

/** A struct as it is walked: its fields in order, and its bytes. */
interface Laid {
  readonly fields: readonly (readonly [name: string, kind: Kind<unknown>])[];
  readonly size: number;
}

const LAID = new WeakMap<Layout, Laid>();

/** Layouts are tables that do not change: each is taken apart once. */
export function laid(layout: Layout): Laid {
  let known = LAID.get(layout);
  if (known === undefined) {
    const fields = Object.entries(layout);
    known = { fields, size: fields.reduce((sum, [, { size }]) => sum + size, 0) };
    LAID.set(layout, known);
  }
  return known;
}

/** Bytes of a struct. */
export function sizeOf(layout: Layout): number {
  return laid(layout).size;
}

/**
 * A struct's values as JSON-able fields. With `features`, fields whose feature bit is not among them
 * are left out.
 */
export function show<L extends Layout>(
  layout: L,
  values: Values<L>,
  features: bigint | null = null,
): { [key: string]: Field } {
  const shown: { [key: string]: Field } = {};
  for (const [name, kind] of laid(layout).fields) {
    const value = values[name];
    if (value === undefined || !means(kind, features)) continue;
    const field = kind.show(value);
    if (field !== undefined) shown[name] = field;
  }
  return shown;
}

/** The name of a value, or the value itself where it has none. */
export function nameOf(names: Names, value: number): string | number {
  return names[value] ?? value;
}

/** Names of the bits set in an unsigned 32-bit value; a bit without a name as its value. */
export function bitNames(names: Names, value: number): (string | number)[] {
  const found: (string | number)[] = [];
  for (let bit = 0; bit < 32; bit++) {
    if ((value >>> bit) & 1) found.push(names[bit] ?? 2 ** bit);
  }
  return found;
}

/** Two lower-case digits per byte. */
export function hexBytes(bytes: Uint8Array, separator = ""): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(separator);
}

/** Bytes as UTF-8 where they are, with U+FFFD where they are not. Not escaped. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The bytes before the first NUL, as {@linkcode textOf}. */
export function textToNul(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return textOf(end < 0 ? bytes : bytes.subarray(0, end));
}

/** A 64-bit value as a decimal number where a double holds it exactly, else as hexadecimal. */
export function countOf(value: bigint): Field {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : "0x" + value.toString(16);
}

/** Unsigned 8 bits. */
export const u8: Kind<number> = plain(1, (view, at) => view.getUint8(at));
/** Unsigned 16 bits in the stream's byte order. */
export const u16: Kind<number> = plain(2, (view, at, little) => view.getUint16(at, little));
/** Unsigned 32 bits in the stream's byte order. */
export const u32: Kind<number> = plain(4, (view, at, little) => view.getUint32(at, little));
/** Signed 32 bits in the stream's byte order. */
export const i32: Kind<number> = plain(4, (view, at, little) => view.getInt32(at, little));
/** Unsigned 32 bits, little-endian whatever the stream is. */
export const le32: Kind<number> = plain(4, (view, at) => view.getUint32(at, true));

/** Unsigned 64 bits, shown as hexadecimal: an address, an id, an offset. */
export const u64: Kind<bigint> = {
  size: 8,
  read: (view, at, little) => view.getBigUint64(at, little),
  show: (value) => "0x" + value.toString(16),
};

/** Unsigned 64 bits, shown as a number where it is exact: a count. */
export const count64: Kind<bigint> = { ...u64, show: countOf };

/** Bytes without meaning. */
export function pad(size: number): Kind<Uint8Array> {
  return { ...raw(size), show: () => undefined };
}

/** Bytes, shown as hexadecimal. */
export function raw(size: number): Kind<Uint8Array> {
  return { size, read: (view, at) => slice(view, at, size), show: (value) => hexBytes(value) };
}

/** A string in a field of fixed size, ended by a NUL where it is shorter. */
export function text(size: number): Kind<Uint8Array> {
  return { ...raw(size), show: textToNul };
}

/** An Ethernet address. */
export const mac: Kind<Uint8Array> = { ...raw(6), show: (value) => hexBytes(value, ":") };

/** A number whose values have names; others are shown as numbers. */
export function named(kind: Kind<number>, names: Names): Kind<number> {
  return { ...kind, show: (value) => nameOf(names, value) };
}

/** A number whose bits have names; others are shown as the bit's value. */
export function flags(kind: Kind<number>, names: Names): Kind<number> {
  return { ...kind, show: (value) => bitNames(names, value) };
}

/** A field that means something only if one of these feature bits was negotiated. */
export function when<T>(features: number | readonly number[], kind: Kind<T>): Kind<T> {
  return { ...kind, features: typeof features === "number" ? [features] : features };
}

/** Whether a field means something. `features` null: not known, so it may. */
export function means(kind: Kind<unknown>, features: bigint | null): boolean {
  if (kind.features === undefined || features === null) return true;
  return kind.features.some((bit) => ((features >> BigInt(bit)) & 1n) === 1n);
}

/** A struct within a struct, shown as an object. It is read whole or not at all. */
export function group<L extends Layout>(layout: L): Kind<Values<L>> {
  return {
    size: sizeOf(layout),
    read: (view, at, little) => readAll(layout, view, at, little),
    show: (value) => show(layout, value),
  };
}

/** `count` items of one kind, shown as a list. Read whole or not at all. */
export function list<T>(count: number, kind: Kind<T>): Kind<readonly T[]> {
  const at = (start: number, index: number) => start + index * kind.size;
  return {
    size: count * kind.size,
    read: (view, start, little) =>
      Array.from({ length: count }, (_, index) => kind.read(view, at(start, index), little)),
    show: (values) => values.map((value) => kind.show(value) ?? null),
  };
}

function plain(size: number, read: Kind<number>["read"]): Kind<number> {
  return { size, read, show: (value) => value };
}

function slice(view: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, size);
}

function readAll<L extends Layout>(layout: L, view: DataView, at: number, little: boolean) {
  const values: { [name: string]: unknown } = {};
  let offset = at;
  for (const [name, kind] of laid(layout).fields) {
    values[name] = kind.read(view, offset, little);
    offset += kind.size;
  }
  return values as Values<L>;
}
