/**
 * Bytes as `hexdump -C` shows them, several times faster: a template of lines is made once, and
 * each byte costs two table look-ups and two stores.
 *
 * @module
 */

const PER_LINE = 16;
/** Lines formatted in one go; about 320 KiB of text, which stays in a core's cache. */
const LINES = 4096;
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

  /** How many bytes {@linkcode bytes} takes at most in one call. */
  static readonly limit = LINES * PER_LINE - PER_LINE;

  /**
   * Lines for at most {@linkcode Hexdump.limit} bytes at `address`. Lines start at multiples of 16,
   * so the first may be short. The result is valid until the next call.
   */
  bytes(address: bigint, bytes: Uint8Array): Uint8Array[] {
    const parts: Uint8Array[] = [];
    const skew = Number(address % BigInt(PER_LINE));
    const first = skew === 0 ? 0 : Math.min(bytes.length, PER_LINE - skew);
    if (first > 0) parts.push(this.#short(address, bytes.subarray(0, first)));
    const whole = (bytes.length - first) & -PER_LINE;
    if (whole > 0) {
      this.#whole(address + BigInt(first), bytes.subarray(first, first + whole), parts);
    }
    const rest = bytes.subarray(first + whole);
    if (rest.length > 0) parts.push(this.#short(address + BigInt(first + whole), rest));
    return parts;
  }

  /** Lines for a stretch of zeros of any length: at most a few where squeezed, else in pieces. */
  *zeros(address: bigint, length: bigint): Generator<Uint8Array[]> {
    const block = new Uint8Array(Hexdump.limit);
    const end = address + length;
    let at = address;
    while (at < end) {
      // Two lines bring a `*` about; what follows it up to the last line needs no line of its own.
      const lead = this.#squeeze ? 3n * 16n - at % 16n : BigInt(block.length);
      const size = end - at < lead ? end - at : lead;
      yield this.bytes(at, block.subarray(0, Number(size)));
      at += size;
      if (this.#squeeze && at < end) at = end - end % 16n > at ? end - end % 16n : at;
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

  #whole(address: bigint, bytes: Uint8Array, parts: Uint8Array[]): void {
    let line = 0;
    for (let at = 0; at < bytes.length;) {
      const end = this.#squeeze ? this.#fresh(bytes, at) : bytes.length;
      if (end > at) {
        const count = (end - at) / PER_LINE;
        this.#run(line, address + BigInt(at), bytes.subarray(at, end));
        parts.push(this.#text.subarray(line * this.#line, (line + count) * this.#line));
        line += count;
      }
      at = end < bytes.length ? this.#repeated(bytes, end, parts) : end;
    }
  }

  /** End of the lines from `at` on that each differ from the one before. */
  #fresh(bytes: Uint8Array, at: number): number {
    const source = viewOf(bytes);
    let end = at;
    while (end < bytes.length && !(this.#repeatable && sameLine(source, end, this.#last))) {
      keepLine(source, end, this.#last);
      this.#repeatable = true;
      this.#starred = false;
      end += PER_LINE;
    }
    return end;
  }

  /** End of the lines from `at` on that repeat the one before; shows the first of them as `*`. */
  #repeated(bytes: Uint8Array, at: number, parts: Uint8Array[]): number {
    const source = viewOf(bytes);
    if (!this.#starred) parts.push(STAR);
    this.#starred = true;
    let end = at;
    while (end < bytes.length && sameLine(source, end, this.#last)) end += PER_LINE;
    return end;
  }

  /** Formats lines, as many as `bytes` fills; the caller keeps them within the template. */
  #run(line: number, address: bigint, bytes: Uint8Array): void {
    const layout = { text: this.#text, view: this.#view, length: this.#line, digits: this.#digits };
    for (let at = 0; at < bytes.length;) {
      // An address' upper half changes at most once in a call: format up to there, then beyond.
      const low = Number((address + BigInt(at)) & 0xffffffffn);
      const size = Math.min(bytes.length - at, 2 ** 32 - low);
      const high = Number((address + BigInt(at)) >> 32n);
      formatLines(layout, line + at / PER_LINE, high, low, bytes.subarray(at, at + size));
      at += size;
    }
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

function sameLine(source: DataView, at: number, last: Uint32Array): boolean {
  return source.getUint32(at, true) === last[0] && source.getUint32(at + 4, true) === last[1] &&
    source.getUint32(at + 8, true) === last[2] && source.getUint32(at + 12, true) === last[3];
}

function keepLine(source: DataView, at: number, last: Uint32Array): void {
  for (let i = 0; i < 4; i++) last[i] = source.getUint32(at + i * 4, true);
}

interface LineLayout {
  readonly text: Uint8Array;
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
  const { text, view, length, digits } = layout;
  let start = line * length;
  for (let at = 0; at < bytes.length; at += PER_LINE, start += length) {
    for (let i = 0; i < digits - 8; i += 2) {
      view.setUint16(start + i, PAIR[(high >>> ((digits - 10 - i) * 4)) & 255], true);
    }
    let pair = start + digits - 8;
    const offset = low + at;
    view.setUint16(pair, PAIR[offset >>> 24], true);
    view.setUint16(pair + 2, PAIR[(offset >>> 16) & 255], true);
    view.setUint16(pair + 4, PAIR[(offset >>> 8) & 255], true);
    view.setUint16(pair + 6, PAIR[offset & 255], true);
    pair += 10;
    let letter = pair + PER_LINE * 3 + 3;
    for (let i = at; i < at + 8; i++, pair += 3) {
      const byte = bytes[i];
      view.setUint16(pair, PAIR[byte], true);
      text[letter++] = PRINTABLE[byte];
    }
    pair++;
    for (let i = at + 8; i < at + 16; i++, pair += 3) {
      const byte = bytes[i];
      view.setUint16(pair, PAIR[byte], true);
      text[letter++] = PRINTABLE[byte];
    }
  }
}
