/**
 * Takes structs off a stream of guest bytes, as far as the bytes go.
 *
 * @module
 */
import { laid, type Layout, sizeOf, type Values } from "./kind.ts";

/** Most bytes that one read copies, whatever the guest's lengths say. */
export const READ_LIMIT = 4096;

/** A copy of at most `length` bytes from `offset` on; short where memory ends. */
export type ByteSource = (offset: number, length: number) => Uint8Array;

/** What a stream is, for its notes. */
export interface StreamInfo {
  /** `request`, `reply`: begins the notes. */
  readonly name: string;
  /** Where notes go. */
  readonly notes: string[];
  /** Byte order; little-endian unless said otherwise. */
  readonly little?: boolean;
  /** Nothing may be read, only room is checked: a reply that is not there yet. */
  readonly closed?: boolean;
  /** Why the stream ends where it does, where that is not the descriptors' length. */
  readonly why?: string;
}

/**
 * A place in one of a chain's two streams. Each read copies once and moves on. The first struct that
 * does not fit leaves one note that names what is missing; later ones are silently empty.
 */
export class Fields {
  #offset = 0;
  #short = false;
  readonly #source: ByteSource;
  readonly #info: StreamInfo;

  /** `length` is the stream's end in bytes, exclusive. */
  constructor(source: ByteSource, readonly length: number, info: StreamInfo) {
    this.#source = source;
    this.#info = info;
  }

  /** Bytes passed so far; never above `length`. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes that follow. */
  get rest(): number {
    return this.length - this.#offset;
  }

  /** Byte order of what is read. */
  get little(): boolean {
    return this.#info.little ?? true;
  }

  /** Whether something that was asked for was not there. */
  get short(): boolean {
    return this.#short;
  }

  /** Moves to `offset`, at most to the end. */
  seek(offset: number): void {
    this.#offset = Math.min(Math.max(0, offset), this.length);
  }

  /** Reads a struct and moves past it. `name` is the standard's. */
  struct<L extends Layout>(name: string, layout: L): Values<L> {
    const { fields, size } = laid(layout);
    if (this.#info.closed) return this.#reserve(name, size);
    const bytes = this.bytes(size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values: { [field: string]: unknown } = {};
    let at = 0;
    for (const [field, kind] of fields) {
      if (at + kind.size > bytes.length) break;
      values[field] = kind.read(view, at, this.little);
      at += kind.size;
    }
    if (bytes.length < size) this.#missing(name, layout, values, bytes.length);
    return values as Values<L>;
  }

  /** At most `length` (and {@linkcode READ_LIMIT}) bytes from here on, and moves past them. */
  bytes(length: number): Uint8Array {
    const wanted = this.#info.closed ? 0 : Math.max(0, Math.min(length, this.rest, READ_LIMIT));
    const bytes = wanted === 0 ? new Uint8Array(0) : this.#read(wanted);
    this.seek(this.#offset + wanted);
    if (bytes.length < wanted) this.#memoryEnds(this.#offset - wanted + bytes.length);
    return bytes;
  }

  /** A stream of the next `length` bytes, with its own place; this one moves past them. */
  part(length: number, name = this.#info.name): Fields {
    const start = this.#offset;
    this.seek(start + length);
    return new Fields(
      (offset, wanted) => this.#source(start + offset, wanted),
      this.#offset - start,
      { ...this.#info, name },
    );
  }

  #read(wanted: number): Uint8Array {
    const bytes = this.#source(this.#offset, wanted);
    return bytes.length > wanted ? bytes.subarray(0, wanted) : bytes;
  }

  #reserve(name: string, size: number): Record<string, never> {
    if (this.rest < size) this.#note(`${name} has room for ${this.rest} of ${size} bytes`);
    this.seek(this.#offset + size);
    return {};
  }

  #missing(name: string, layout: Layout, values: { [field: string]: unknown }, had: number): void {
    const fields = Object.keys(layout).filter((field) => !(field in values));
    this.#note(
      `${name} has ${had} of ${sizeOf(layout)} bytes` +
        (this.#info.why ? ` (${this.#info.why})` : "") + `: no ${fields.join(", ")}`,
    );
  }

  #memoryEnds(offset: number): void {
    this.#note(`memory is missing from byte ${offset} on`);
  }

  #note(text: string): void {
    if (!this.#short) this.#info.notes.push(`${this.#info.name}: ${text}`);
    this.#short = true;
  }
}

/** A stream over bytes at hand. */
export function fieldsOf(bytes: Uint8Array, info: StreamInfo): Fields {
  return new Fields(
    (offset, length) => bytes.subarray(offset, offset + length),
    bytes.length,
    info,
  );
}
