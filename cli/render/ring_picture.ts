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
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";
import { bold, dim, type Paint, yellow } from "./colors.ts";

/** Cells of a picture at most; with the numbers beside it, it fits in 80 columns. */
const WIDTH = 64;

const FREE = 0;
const WAITING = 1;
const FETCHED = 2;
const SIGN = [".", "=", "#"];
const PAINT: readonly Paint[] = [dim, yellow, bold];

/** How many slots are in which state, from where on. */
interface Stand {
  readonly size: number;
  /** Slot where the device puts the next used buffer; what it holds begins here. */
  readonly used: number;
  /** Slot where the driver puts the next buffer. */
  readonly available: number;
  /** Slots from `used` on that the device fetched. */
  readonly fetched: number;
  /** Slots after those that wait for the device. */
  readonly waiting: number;
}

/** The picture: several lines without a line end. Empty where there is nothing to draw. */
export function ringPicture(snapshot: RingSnapshot): string {
  const { size } = snapshot.config;
  if (!Number.isInteger(size) || size < 1 || size > 1 << 16) return "";
  const stand = standOf(snapshot);
  const width = Math.min(WIDTH, size);
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

function standOf({ config, available, used, inFlight }: RingSnapshot): Stand {
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
  };
}

function cells(stand: Stand, width: number): string {
  const states = new Uint8Array(width);
  for (let i = 0; i < stand.fetched + stand.waiting; i++) {
    const cell = Math.floor((stand.used + i) % stand.size * width / stand.size);
    states[cell] = Math.max(states[cell], i < stand.fetched ? FETCHED : WAITING);
  }
  const text = Array.from(states, (state) => SIGN[state]).join("");
  return text.replace(/(.)\1*/g, (run) => PAINT[SIGN.indexOf(run[0])](run));
}

/** The text left of its mark where there is room, else right of it. */
function marker(text: string, at: number, sign: string): string {
  const right = `${" ".repeat(at)}${sign} ${text}`;
  return at > text.length + 3 ? `${" ".repeat(at - text.length - 1)}${text} ${sign}` : right;
}

function legend(stand: Stand, { config }: RingSnapshot): string {
  const unit = config.format === "packed" ? "slots" : "buffers";
  const free = stand.size - stand.fetched - stand.waiting;
  const waiting = config.fetched === undefined ? `${unit} with the device` : "not fetched yet";
  const parts = [
    ...config.fetched === undefined ? [] : [`${SIGN[FETCHED]} ${stand.fetched} fetched`],
    `${SIGN[WAITING]} ${stand.waiting} ${waiting}`,
    `${SIGN[FREE]} ${free} with the driver`,
  ];
  return `  ${parts.join("   ")}`;
}
