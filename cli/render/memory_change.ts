/**
 * What changed in memory, as a diff of hexadecimal lines.
 *
 * @module
 */
import type { MemoryChange, MemoryImage, MemoryReport } from "../../lib/watch/memory.ts";
import { STATES } from "../../lib/watch/memory.ts";
import { getColorEnabled, green, type Paint, red } from "./colors.ts";
import { jsonLine, timeText } from "./json.ts";
import { plural } from "./size.ts";

const PER_LINE = 16;

/** Lines that one report shows at most; and stretches, in JSON. */
const LINES = 256;
const STRETCHES = 4096;

/**
 * Old and new of every line in which something changed; without line end. On a terminal changed bytes
 * are coloured, elsewhere a line below marks them. `--` is a hole, `??` can not be read.
 */
export function memoryChangeText(report: MemoryReport): string {
  const { before, after, changes, time } = report;
  const lines = changedLines(before, changes);
  const bytes = changes.reduce((sum, { length }) => sum + length, 0);
  const head = `${timeText(time)}  ${plural(bytes, "byte")} changed in ${
    plural(lines.length, "line")
  }`;
  const shown = lines.slice(0, LINES).flatMap((line) => diff(before, after, line));
  const more = lines.length - LINES;
  return [head, ...shown, ...more > 0 ? [`and ${plural(more, "line")} more`] : []].join("\n");
}

/** Starts of lines of 16 bytes, at multiples of 16, in which something changed: offsets, ascending. */
function changedLines({ address }: MemoryImage, changes: readonly MemoryChange[]): number[] {
  const skew = Number(address % BigInt(PER_LINE));
  const lines: number[] = [];
  for (const { offset, length } of changes) {
    const last = Math.floor((offset + length - 1 + skew) / PER_LINE);
    for (let n = Math.floor((offset + skew) / PER_LINE); n <= last; n++) {
      if (lines.at(-1) !== n * PER_LINE - skew) lines.push(n * PER_LINE - skew);
    }
  }
  return lines;
}

function diff(before: MemoryImage, after: MemoryImage, line: number): string[] {
  const changed = (at: number) =>
    before.bytes[at] !== after.bytes[at] || before.states[at] !== after.states[at];
  const marks = pairs(before, line, (at) => changed(at) ? "^^" : "  ").trimEnd();
  const old = hexLine(before, line, changed, red);
  const fresh = hexLine(after, line, changed, green);
  const width = addressText(before, line).length;
  return [`- ${old}`, `+ ${fresh}`, ...getColorEnabled() ? [] : [" ".repeat(width + 4) + marks]];
}

function hexLine(
  image: MemoryImage,
  line: number,
  changed: (at: number) => boolean,
  paint: Paint,
): string {
  const marked = (at: number, text: string) => changed(at) ? paint(text) : text;
  const hexed = pairs(image, line, (at) => marked(at, pairText(image, at)));
  const letters = cells(line, (at) => inside(image, at) ? marked(at, letter(image, at)) : " ");
  return `${addressText(image, line)}  ${hexed}  |${letters.join("")}|`;
}

/** Sixteen pairs with a gap in the middle; blanks where the range does not reach. */
function pairs(image: MemoryImage, line: number, text: (at: number) => string): string {
  const all = cells(line, (at) => inside(image, at) ? text(at) : "  ");
  return `${all.slice(0, 8).join(" ")}  ${all.slice(8).join(" ")}`;
}

function cells(line: number, text: (at: number) => string): string[] {
  return Array.from({ length: PER_LINE }, (_, n) => text(line + n));
}

function inside({ bytes }: MemoryImage, at: number): boolean {
  return at >= 0 && at < bytes.length;
}

function pairText({ bytes, states }: MemoryImage, at: number): string {
  if (states[at] === 0) return bytes[at].toString(16).padStart(2, "0");
  return STATES[states[at]] === "hole" ? "--" : "??";
}

/** Printable ASCII, or a dot: nothing that a terminal would act on. */
function letter({ bytes, states }: MemoryImage, at: number): string {
  if (states[at] !== 0) return " ";
  return bytes[at] >= 0x20 && bytes[at] < 0x7f ? String.fromCharCode(bytes[at]) : ".";
}

function addressText({ address }: MemoryImage, line: number): string {
  return (address + BigInt(line)).toString(16).padStart(8, "0");
}

/** `guestmem/memory-change/1`: a line per report. */
export function memoryChangeJson(target: string, report: MemoryReport): string {
  const { before, after, changes, time } = report;
  const { address, bytes } = before;
  const shown = changes.slice(0, STRETCHES).map(({ offset, length, ...states }) => ({
    address: address + BigInt(offset),
    length,
    before: stretch(before, offset, length, states.before),
    after: stretch(after, offset, length, states.after),
  }));
  return jsonLine("guestmem/memory-change/1", {
    target,
    time: timeText(time),
    elapsed: Math.round(report.elapsed * 1000) / 1000,
    address,
    length: bytes.length,
    changes: shown,
    more: changes.length - shown.length,
  });
}

function stretch({ bytes }: MemoryImage, offset: number, length: number, state: string) {
  return { state, hex: state === "bytes" ? bytes.subarray(offset, offset + length).toHex() : null };
}
