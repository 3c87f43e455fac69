/**
 * Bytes as `hexdump -C` shows them, several times faster: a template of lines is made once, and
 * each byte costs two table look-ups and two stores.
 *
 * @module
 */

const PER_LINE = 16;
/** Lines formatted in one go: 256 KiB of bytes, 1.3 MB of text. Less costs more writes. */
const LINES = 16384;
const BLOCK = LINES * PER_LINE;
const STAR = new TextEncoder().encode("*\n");

/** Two hexadecimal digits as the little-endian u16 that stores them in reading order. */
const PAIR = Uint16Array.from({ length: 256 }, (_, byte) => {
  const [high, low] = byte.toString(16).padStart(2, "0");
  return high.charCodeAt(0) | low.charCodeAt(0) << 8;
});
const DOT = 46;
const PRINTABLE = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte >= 32 && byte < 127 ? byte : DOT,
);

/** How a dump looks. */
export interface HexdumpOptions {
  /** One past the last address that will be shown: decides between 8, 12 and 16 digits. */
  readonly end: bigint;
  /** Shows lines that repeat the one before as one `*`. */
  readonly squeeze: boolean;
}

/** Turns stretches of bytes, in address order, into text. Keeps what `*` needs between calls. */
export class Hexdump {
  readonly #digits: number;
  readonly #line: number;
  readonly #text: Uint8Array;
  readonly #view: DataView;
  readonly #squeeze: boolean;
  /** The line before: 4 words, valid where `#repeatable`. */
  readonly #last = new Uint32Array(4);
  #repeatable = false;
  #starred = false;

  constructor({ end, squeeze }: HexdumpOptions) {
    this.#squeeze = squeeze;
    this.#digits = end <= 1n << 32n ? 8 : end <= 1n << 48n ? 12 : 16;
    const half = "00 ".repeat(PER_LINE / 2);
    const line = `${"0".repeat(this.#digits)}  ${half} ${half} |${".".repeat(PER_LINE)}|\n`;
    this.#line = line.length;
    this.#text = new TextEncoder().encode(line.repeat(LINES));
    this.#view = new DataView(this.#text.buffer);
  }

  /**
   * Lines for bytes at `address`, in pieces that are valid until the next one is taken. Lines start at
   * multiples of 16, so the first may be short.
   */
  *bytes(address: bigint, bytes: Uint8Array): Generator<Uint8Array> {
    const skew = Number(address % BigInt(PER_LINE));
    const first = skew === 0 ? 0 : Math.min(bytes.length, PER_LINE - skew);
    if (first > 0) yield this.#short(address, bytes.subarray(0, first));
    const end = first + ((bytes.length - first) & -PER_LINE);
    for (let at = first; at < end; at += BLOCK) {
      yield* this.#whole(address + BigInt(at), bytes.subarray(at, Math.min(end, at + BLOCK)));
    }
    if (end < bytes.length) yield this.#short(address + BigInt(end), bytes.subarray(end));
  }

  /** Lines for a stretch of zeros of any length: a few where they are squeezed. */
  *zeros(address: bigint, length: bigint): Generator<Uint8Array> {
    const block = new Uint8Array(BLOCK);
    const end = address + length;
    let at = address;
    while (at < end) {
      // Two lines bring a `*` about; what follows up to the last line needs none of its own.
      const room = this.#squeeze ? 3n * 16n - at % 16n : BigInt(BLOCK) - at % 16n;
      const size = end - at < room ? end - at : room;
      yield* this.bytes(at, block.subarray(0, Number(size)));
      at += size;
      if (this.#squeeze && at < end - end % 16n) at = end - end % 16n;
    }
  }

  /** Ends a run of `*` with the address where it stops, as before a hole or at the end of all. */
  close(address: bigint): Uint8Array {
    const starred = this.#starred;
    this.#forget();
    const text = address.toString(16).padStart(this.#digits, "0") + "\n";
    return new TextEncoder().encode(starred ? text : "");
  }

  #forget(): void {
    this.#repeatable = false;
    this.#starred = false;
  }

  *#whole(address: bigint, bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length;) {
      const end = this.#squeeze ? this.#fresh(bytes, at) : bytes.length;
      if (end > at) yield this.#run(address + BigInt(at), bytes.subarray(at, end));
      at = end;
      if (at === bytes.length) return;
      if (!this.#starred) yield STAR;
      this.#starred = true;
      at = this.#repeated(bytes, at);
    }
  }

  /** End of the lines from `at` on that each differ from the one before. */
  #fresh(bytes: Uint8Array, at: number): number {
    const source = viewOf(bytes);
    if (this.#repeatable && sameAsKept(source, at, this.#last)) return at;
    const end = firstRepeat(source, at + PER_LINE);
    keep(source, end - PER_LINE, this.#last);
    this.#repeatable = true;
    this.#starred = false;
    return end;
  }

  /** End of the lines from `at` on that repeat the one before. */
  #repeated(bytes: Uint8Array, at: number): number {
    const source = viewOf(bytes);
    let end = at;
    while (end < bytes.length && sameAsKept(source, end, this.#last)) end += PER_LINE;
    return end;
  }

  /** Formats lines, at most a block of them. */
  #run(address: bigint, bytes: Uint8Array): Uint8Array {
    const layout = { view: this.#view, length: this.#line, digits: this.#digits };
    for (let at = 0; at < bytes.length;) {
      // An address' upper half changes at most once in a block: format up to there, then beyond.
      const low = Number((address + BigInt(at)) & 0xffffffffn);
      const size = Math.min(bytes.length - at, 2 ** 32 - low);
      const high = Number((address + BigInt(at)) >> 32n);
      formatLines(layout, at / PER_LINE, high, low, bytes.subarray(at, at + size));
      at += size;
    }
    return this.#text.subarray(0, bytes.length / PER_LINE * this.#line);
  }

  /** A line of fewer than 16 bytes, padded so that the letters stand where they always do. */
  #short(address: bigint, bytes: Uint8Array): Uint8Array {
    this.#forget();
    const pairs = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
    const hexed = `${pairs.slice(0, 8).join(" ").padEnd(24)} ${pairs.slice(8).join(" ")}`;
    const letters = String.fromCharCode(...Array.from(bytes, (byte) => PRINTABLE[byte]));
    const digits = address.toString(16).padStart(this.#digits, "0");
    return new TextEncoder().encode(`${digits}  ${hexed.padEnd(50)}|${letters}|\n`);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function sameAsKept(source: DataView, at: number, last: Uint32Array): boolean {
  return source.getUint32(at, true) === last[0] && source.getUint32(at + 4, true) === last[1] &&
    source.getUint32(at + 8, true) === last[2] && source.getUint32(at + 12, true) === last[3];
}

function keep(source: DataView, at: number, last: Uint32Array): void {
  for (let i = 0; i < 4; i++) last[i] = source.getUint32(at + i * 4, true);
}

/** Start of the first line from `at` on that equals the one before it; the end where none does. */
function firstRepeat(source: DataView, at: number): number {
  const end = source.byteLength;
  for (let line = at; line < end; line += PER_LINE) {
    if (
      source.getUint32(line, true) === source.getUint32(line - 16, true) &&
      source.getUint32(line + 4, true) === source.getUint32(line - 12, true) &&
      source.getUint32(line + 8, true) === source.getUint32(line - 8, true) &&
      source.getUint32(line + 12, true) === source.getUint32(line - 4, true)
    ) return line;
  }
  return end;
}

interface LineLayout {
  readonly view: DataView;
  /** Characters of a line, its end included. */
  readonly length: number;
  /** Digits of its address: 8, 12 or 16. */
  readonly digits: number;
}

/** The hot loop. A function of its own with everything in locals: four times as fast as a method. */
function formatLines(
  layout: LineLayout,
  line: number,
  high: number,
  low: number,
  bytes: Uint8Array,
): void {
  const { view, length, digits } = layout;
  const source = viewOf(bytes);
  let start = line * length;
  for (let at = 0; at < bytes.length; at += PER_LINE, start += length) {
    for (let i = 0; i < digits - 8; i += 2) {
      view.setUint16(start + i, PAIR[(high >>> ((digits - 10 - i) * 4)) & 255], true);
    }
    const low4 = start + digits - 8;
    const offset = low + at;
    view.setUint16(low4, PAIR[offset >>> 24], true);
    view.setUint16(low4 + 2, PAIR[(offset >>> 16) & 255], true);
    view.setUint16(low4 + 4, PAIR[(offset >>> 8) & 255], true);
    view.setUint16(low4 + 6, PAIR[offset & 255], true);
    let pair = low4 + 10;
    let letter = pair + PER_LINE * 3 + 3;
    for (let i = at; i < at + PER_LINE; i += 4, pair += 12, letter += 4) {
      if (i === at + 8) pair++;
      const four = source.getInt32(i, true);
      view.setUint16(pair, PAIR[four & 255], true);
      view.setUint16(pair + 3, PAIR[(four >>> 8) & 255], true);
      view.setUint16(pair + 6, PAIR[(four >>> 16) & 255], true);
      view.setUint16(pair + 9, PAIR[four >>> 24], true);
      view.setInt32(letter, printable4(four), true);
    }
  }
}

/**
 * Four bytes at once with a dot for each that is not printable ASCII: those with the top bit set,
 * those to which adding 0x60 does not reach it (below 0x20), and 0x7f, to which adding 1 does.
 */
function printable4(four: number): number {
  const low = four & 0x7f7f7f7f;
  const bad = (four | ~(low + 0x60606060) | (low + 0x01010101)) & 0x80808080;
  const mask = (bad >>> 7) * 0xff | 0;
  return (four & ~mask) | (0x2e2e2e2e & mask);
}
