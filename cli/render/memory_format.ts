/**
 * Guest memory as text: spans in, lines out, a piece at a time.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { Span } from "../../lib/dump/pieces.ts";
import { Hexdump } from "./hexdump.ts";
import { rangeText, sizeText } from "./size.ts";

/** Formats spans in address order. What it yields is valid until the next step. */
export interface MemoryFormat {
  span(span: Span): Iterable<Uint8Array>;
  /** What is left to say at the end, `address` being one past it. */
  end(address: bigint): Iterable<Uint8Array>;
}

const encoder = new TextEncoder();

/** A line for a stretch without bytes, such as `[0xa0000, 0xc0000) hole: 128K without memory`. */
export function gapText(span: Span): string {
  const size = sizeText(span.length);
  const why = span.kind === "unreadable"
    ? `unreadable: ${size}, ${span.errno}`
    : `hole: ${size} without memory`;
  return `${rangeText(span.address, span.length)} ${why}`;
}

/** `hexdump -C`, with holes and unreadable stretches as lines of their own. */
export function hexFormat(options: { end: bigint; squeeze: boolean }): MemoryFormat {
  const dump = new Hexdump(options);
  return {
    *span(span) {
      if (span.kind === "zeros") yield* dump.zeros(span.address, span.length);
      else if (span.kind === "bytes") yield* dump.bytes(span.address, span.bytes);
      else {
        yield dump.close(span.address);
        yield encoder.encode(gapText(span) + "\n");
      }
    },
    *end(address) {
      yield dump.close(address);
    },
  };
}

/** Bytes of one line of words. */
const LINE = 16;

/** Little-endian words of 2, 4 or 8 bytes, 16 bytes a line, lines at multiples of 16. */
export function wordFormat(width: 2 | 4 | 8): MemoryFormat {
  return {
    *span(span) {
      if (span.kind === "zeros") {
        yield encoder.encode(`${rangeText(span.address, span.length)} zeros, never written\n`);
      } else if (span.kind !== "bytes") yield encoder.encode(gapText(span) + "\n");
      else yield encoder.encode(wordLines(span.address, span.bytes, width));
    },
    *end() {},
  };
}

function wordLines(address: bigint, bytes: Uint8Array, width: number): string {
  let text = "";
  for (const line of lines(address, bytes)) {
    text += `${hex(line.address)} `;
    for (let word = 0; word < line.bytes.length; word += width) {
      text += " 0x" + wordText(line.bytes.subarray(word, word + width));
    }
    text += "\n";
  }
  return text;
}

/** The digits of a little-endian word, most significant first. A cut word shows what there is. */
function wordText(bytes: Uint8Array): string {
  let text = "";
  for (let i = bytes.length - 1; i >= 0; i--) text += bytes[i].toString(16).padStart(2, "0");
  return text;
}

/** Longest string shown as one line; longer ones go on in the next. */
const STRING_LIMIT = 4096;

/** Runs of at least `least` printable ASCII characters (tab included), each with its address. */
export function stringFormat(least: number): MemoryFormat {
  let start = 0n;
  let run = "";
  const flush = () => {
    const line = run.length >= least ? `${hex(start)}  ${run}\n` : "";
    run = "";
    return line;
  };
  return {
    *span(span) {
      if (span.kind === "zeros") return yield encoder.encode(flush());
      if (span.kind !== "bytes") return yield encoder.encode(`${flush()}${gapText(span)}\n`);
      let text = "";
      for (let at = 0; at < span.bytes.length; at++) {
        const byte = span.bytes[at];
        const printable = byte >= 32 && byte < 127;
        if (!printable || run.length >= STRING_LIMIT) text += flush();
        if (!printable) continue;
        if (run === "") start = span.address + BigInt(at);
        run += String.fromCharCode(byte);
      }
      yield encoder.encode(text);
    },
    *end() {
      yield encoder.encode(flush());
    },
  };
}

/**
 * Tab-separated lines for awk: kind, address, length in bytes, and for `bytes` at most 16 of them in
 * hexadecimal, lines at multiples of 16; for `unreadable` the errno.
 */
export function plainFormat(): MemoryFormat {
  const line = (kind: string, address: bigint, length: bigint | number, more = "") =>
    [kind, hex(address), length, more].join("\t") + "\n";
  return {
    *span(span) {
      const { kind, address } = span;
      if (kind !== "bytes") {
        const errno = kind === "unreadable" ? span.errno : "";
        return yield encoder.encode(line(kind, address, span.length, errno));
      }
      let text = "";
      for (const part of lines(address, span.bytes)) {
        text += line(kind, part.address, part.bytes.length, part.bytes.toHex());
      }
      yield encoder.encode(text);
    },
    *end() {},
  };
}

/** Bytes in pieces of at most 16 that end at multiples of 16. */
function* lines(
  address: bigint,
  bytes: Uint8Array,
): Generator<{ address: bigint; bytes: Uint8Array }> {
  for (let at = 0; at < bytes.length;) {
    const here = address + BigInt(at);
    const size = Math.min(LINE - Number(here % BigInt(LINE)), bytes.length - at);
    yield { address: here, bytes: bytes.subarray(at, at + size) };
    at += size;
  }
}

/**
 * `guestmem/memory/1`: one object, written in pieces. A span of state `bytes` has either `hex` or
 * `sparse` (never written, so all zeros).
 */
export function jsonFormat(head: string): MemoryFormat {
  let first = true;
  return {
    *span(span) {
      const lead = first ? `${head.slice(0, -1)},"spans":[` : ",";
      first = false;
      yield encoder.encode(lead + JSON.stringify(spanJson(span)));
    },
    *end() {
      yield encoder.encode(first ? `${head.slice(0, -1)},"spans":[]}\n` : "]}\n");
    },
  };
}

function spanJson(span: Span): Record<string, unknown> {
  const place = { address: hex(span.address), length: Number(span.length) };
  if (span.kind === "bytes") return { state: "bytes", ...place, hex: span.bytes.toHex() };
  if (span.kind === "zeros") return { state: "bytes", ...place, sparse: true };
  if (span.kind === "unreadable") return { state: "unreadable", ...place, errno: span.errno };
  return { state: "hole", ...place };
}
