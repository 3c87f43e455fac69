/**
 * A ring at a glance: who has which slots.
 *
 * ```text
 *            available 1030 v
 *   0 |.........########====........................................| 255
 *               ^ used 1024
 *   # fetched by the device 32   = waiting for the device 16   . free 208
 * ```
 *
 * A cell stands for one slot or several; it shows the busiest state in it, so that a single buffer
 * in a ring of 32768 is still seen.
 *
 * @module
 */
import type { RingConfig } from "../../lib/ring/config.ts";
import type { RingIndices, RingSnapshot } from "../../lib/ring/snapshot.ts";
import { bold, dim, green, type Paint, yellow } from "./colors.ts";
import { plural } from "./size.ts";

/** Cells of a picture at most; with the numbers beside it, it fits in 80 columns. */
const WIDTH = 64;

const FREE = 0;
const RECENT = 1;
const WAITING = 2;
const FETCHED = 3;
const BOTH = 4;
const SIGN = [".", ":", "=", "#", "|"];
const PAINT: readonly Paint[] = [dim, green, yellow, bold, dim];

/** How many slots are in which state, from where on. */
export interface Stand {
  readonly size: number;
  /** Slot where the device puts the next used buffer; what it holds begins here. */
  readonly used: number;
  /** Slot where the driver puts the next buffer. */
  readonly available: number;
  /** Slots from `used` on that the device fetched. */
  readonly fetched: number;
  /** Slots after those that wait for the device. */
  readonly waiting: number;
  /** Slots before `used` that were used a moment ago. */
  readonly recent: number;
}

/** What a picture is made of. */
export type Pictured = Pick<RingSnapshot, "config" | "available" | "used" | "inFlight" | "exact">;

/**
 * The picture: several lines without a line end, `limit` cells wide at most; `recent` slots were used
 * a moment ago. Empty where there is nothing to draw.
 */
export function ringPicture(snapshot: Pictured, limit = WIDTH, recent = 0): string {
  const { size } = snapshot.config;
  if (!isDrawable(snapshot.config)) return "";
  const stand = ringStand(snapshot.config, snapshot, recent);
  const width = Math.min(limit, WIDTH, size);
  const indent = "  0 |".length;
  const mark = (slot: number) => indent + Math.floor(slot * width / size);
  return [
    marker(`available ${snapshot.available.index}`, mark(stand.available), "v"),
    `  0 |${cells(stand, width)}| ${size - 1}`,
    marker(
      `used ${snapshot.used.index}${snapshot.exact ? "" : " or later"}`,
      mark(stand.used),
      "^",
    ),
    legend(stand, snapshot),
  ].join("\n");
}

/**
 * The ring in one line of at most `width` cells: `:` was used a moment ago, `#` was fetched, `=` waits
 * for the device, `.` is with the driver, and `|` is where both sides stand with nothing between.
 */
export function ringStrip(stand: Stand, width: number): string {
  return cells(stand, Math.min(width, stand.size), true);
}

/** Whether there is a picture of such a ring. */
export function isDrawable({ size }: Pick<RingConfig, "size">): boolean {
  return Number.isInteger(size) && size >= 1 && size <= 1 << 16;
}

/** Where a ring stands; `recent` buffers or slots were used a moment ago. */
export function ringStand(
  config: RingConfig,
  { available, used, inFlight }: Pick<RingIndices, "available" | "used" | "inFlight">,
  recent = 0,
): Stand {
  const { size, fetched } = config;
  const held = Math.max(0, Math.min(size, inFlight));
  const first = used.index % size;
  const known = fetched === undefined
    ? 0
    : (config.format === "split"
      ? (fetched.index - used.index) & 0xffff
      : (fetched.index - first + size) % size);
  const taken = known <= held ? known : 0;
  return {
    size,
    used: first,
    available: available.index % size,
    fetched: taken,
    waiting: held - taken,
    recent: Math.max(0, Math.min(size - held, Math.floor(recent))),
  };
}

function cells(stand: Stand, width: number, standing = false): string {
  const { size, used, fetched, waiting, recent } = stand;
  const states = new Uint8Array(width);
  mark(states, stand, used - recent + size, recent, RECENT);
  mark(states, stand, used, fetched, FETCHED);
  mark(states, stand, used + fetched, waiting, WAITING);
  if (standing && fetched + waiting === 0) mark(states, stand, used, 1, BOTH);
  const text = Array.from(states, (state) => SIGN[state]).join("");
  return text.replace(/(.)\1*/g, (run) => PAINT[SIGN.indexOf(run[0])](run));
}

/** Puts a state into the cells of `count` slots, where nothing busier is. By cells: a ring is long. */
function mark(
  states: Uint8Array,
  { size }: Stand,
  start: number,
  count: number,
  state: number,
): void {
  if (count === 0) return;
  const width = states.length;
  const cellOf = (slot: number) => Math.floor(slot % size * width / size);
  const [first, last] = [cellOf(start), cellOf(start + count - 1)];
  // A run that ends in the cell where it began is that one cell, or has come all the way round.
  const more = first === last && count > size / width ? width - 1 : (last - first + width) % width;
  for (let i = 0; i <= more; i++) {
    const cell = (first + i) % width;
    states[cell] = Math.max(states[cell], state);
  }
}

/** The text left of its mark where there is room, else right of it. */
function marker(text: string, at: number, sign: string): string {
  const right = `${" ".repeat(at)}${sign} ${text}`;
  return at > text.length + 3 ? `${" ".repeat(at - text.length - 1)}${text} ${sign}` : right;
}

function legend(stand: Stand, { config }: Pictured): string {
  const unit = config.format === "packed" ? "slot" : "buffer";
  const free = stand.size - stand.fetched - stand.waiting;
  const waiting = config.fetched === undefined
    ? `${plural(stand.waiting, unit)} with the device`
    : `${stand.waiting} not fetched yet`;
  const parts = [
    ...config.fetched === undefined ? [] : [`${SIGN[FETCHED]} ${stand.fetched} fetched`],
    `${SIGN[WAITING]} ${waiting}`,
    `${SIGN[FREE]} ${free} with the driver`,
  ];
  return `  ${parts.join("   ")}`;
}
