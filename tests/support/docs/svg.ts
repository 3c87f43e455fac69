/**
 * A terminal's cells as an SVG picture: text stays text, so the picture is small and sharp.
 *
 * Each run of one style is a text element of its own, stretched to the cells that it takes: whatever
 * font a reader has, columns stand under each other.
 *
 * @module
 */
import type { Cell } from "./terminal.ts";

const CELL = { width: 8.4, height: 18, font: 14, baseline: 13 } as const;
const PADDING = 14;
const FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace";
const FOREGROUND = "#d4d7dc";
const BACKGROUND = "#1b1e24";
/** The sixteen colours of a terminal, on a dark ground. */
const PALETTE: readonly string[] = [
  ..."#3a3f4b #e06c75 #98c379 #e5c07b #61afef #c678dd #56b6c2 #d4d7dc".split(" "),
  ..."#7f848e #ff7b86 #b1e08f #f5d58a #7fc1ff #dd92f0 #6fd3de #ffffff".split(" "),
];

/** What makes cells look alike. */
interface Look {
  readonly fill: string;
  readonly ground: string | null;
  readonly bold: boolean;
  readonly dim: boolean;
}

/** A run of cells of one look; `text` has no two blanks in a row. */
interface Run {
  readonly look: Look;
  readonly x: number;
  readonly cells: number;
  readonly text: string;
}

/** Draws rows of cells; empty rows at the end and empty columns at the right are left out. */
export function svgOf(rows: readonly (readonly Cell[])[], title: string): string {
  const last = rows.findLastIndex((row) => row.some(({ text }) => text.trim() !== ""));
  const kept = rows.slice(0, last + 1);
  const columns = Math.max(...kept.map(usedColumns));
  const width = Math.ceil(columns * CELL.width + 2 * PADDING);
  const height = kept.length * CELL.height + 2 * PADDING;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" font-family="${FONT}" font-size="${CELL.font}">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    ...kept.flatMap((row, y) => runsOf(row).flatMap((run) => elements(run, y))),
    "</svg>\n",
  ].join("\n");
}

function usedColumns(row: readonly Cell[]): number {
  return 1 +
    row.findLastIndex(({ text, background, inverse }) =>
      text.trim() !== "" || background !== null || inverse
    );
}

function runsOf(row: readonly Cell[]): Run[] {
  const runs: Run[] = [];
  for (const [x, cell] of row.entries()) {
    if (cell.width === 0) continue;
    const look = lookOf(cell);
    const before = runs.at(-1);
    const joined = before !== undefined && before.x + before.cells === x &&
      same(before.look, look) && !(look.ground === null && blankBetween(before, cell));
    if (joined) runs[runs.length - 1] = extended(before, cell);
    else runs.push({ look, x, cells: cell.width, text: cell.text });
  }
  return runs.filter(({ text, look }) => text.trim() !== "" || look.ground !== null);
}

/** A second blank, or a word after blanks that stand alone, begins a new element. */
function blankBetween(before: Run, cell: Cell): boolean {
  return before.text.endsWith(" ") && (cell.text === " " || before.text.trim() === "");
}

function extended(run: Run, cell: Cell): Run {
  return { ...run, cells: run.cells + cell.width, text: run.text + cell.text };
}

function elements({ look, x, cells, text }: Run, y: number): string[] {
  const left = round(PADDING + x * CELL.width);
  const top = PADDING + y * CELL.height;
  const length = round(cells * CELL.width);
  const ground = look.ground === null ? [] : [
    `<rect x="${left}" y="${top}" width="${length}" height="${CELL.height}" fill="${look.ground}"/>`,
  ];
  const style = [
    `fill="${look.fill}"`,
    ...look.bold ? [`font-weight="bold"`] : [],
    ...look.dim ? [`opacity="0.6"`] : [],
  ].join(" ");
  const place = `x="${left}" y="${top + CELL.baseline}" textLength="${length}"`;
  const shown = `<text xml:space="preserve" ${place} lengthAdjust="spacingAndGlyphs" ${style}>`;
  return [...ground, ...text.trim() === "" ? [] : [`${shown}${escapeXml(text)}</text>`]];
}

function lookOf(cell: Cell): Look {
  const fill = cell.color === null ? FOREGROUND : colorOf(cell.color);
  const ground = cell.background === null ? null : colorOf(cell.background);
  const { bold, dim } = cell;
  return cell.inverse
    ? { fill: ground ?? BACKGROUND, ground: fill, bold, dim }
    : { fill, ground, bold, dim };
}

/** Colour of 256: sixteen of the palette, a cube of six steps, and greys. */
function colorOf(number: number): string {
  if (number < 16) return PALETTE[number];
  if (number >= 232) return rgb(Array(3).fill(8 + (number - 232) * 10));
  const steps = [
    Math.floor((number - 16) / 36),
    Math.floor((number - 16) / 6) % 6,
    (number - 16) % 6,
  ];
  return rgb(steps.map((step) => step === 0 ? 0 : 55 + step * 40));
}

function rgb(values: readonly number[]): string {
  return "#" + values.map((value) => value.toString(16).padStart(2, "0")).join("");
}

function same(a: Look, b: Look): boolean {
  return a.fill === b.fill && a.ground === b.ground && a.bold === b.bold && a.dim === b.dim;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
