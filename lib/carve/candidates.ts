/**
 * Collects what a scan takes for rings, and settles what of it can be true together.
 *
 * @module
 */
import { areaShapes } from "../ring/spec.ts";
import type { Look } from "./look.ts";
import { type PackedShape, packedShape } from "./packed_shape.ts";
import {
  EVENT_BITS,
  type SplitShape,
  splitShapes,
  USED_ALIGNMENTS,
  usedAfter,
} from "./split_shape.ts";

/** Candidates that are kept: no guest has more queues, and a hostile one gains nothing. */
const MAX_CANDIDATES = 4096;

/** Readings over the same memory that are judged. */
const RIVALS = 4;

/** A page taken for a ring, one way or the other. */
export type Shape =
  | { readonly format: "split"; readonly shape: SplitShape }
  | { readonly format: "packed"; readonly shape: PackedShape };

/** Every way to take one page for a ring of one format. */
type Page =
  & { readonly bits: number }
  & ({ readonly split: readonly SplitShape[] } | { readonly packed: PackedShape });

/** Pages that a scan found, best kept where there are too many. */
export class Candidates {
  #pages: Page[] = [];
  /** How many were dropped. */
  dropped = 0;

  /** Looks closely at a page that could begin a split ring. */
  addSplit(look: Look, address: number): void {
    const split = splitShapes(look, address);
    if (split.length > 0) this.#add({ split, bits: Math.max(...split.map(({ bits }) => bits)) });
  }

  /** Looks closely at a page that could begin a packed ring. */
  addPacked(look: Look, address: number): void {
    const packed = packedShape(look, address);
    if (packed !== null) this.#add({ packed, bits: packed.bits });
  }

  /**
   * One reading for each page, best first. Of those that lie over each other a few are kept: a larger
   * ring can be read into the end of a true one, and only what is in both tells them apart.
   */
  settle(): Shape[] {
    this.#prune();
    const alignment = usualAlignment(this.#pages);
    const shapes = this.#pages.map((page) => reading(page, alignment))
      .sort((a, b) => b.shape.bits - a.shape.bits);
    return apart(shapes, rangesOf, RIVALS);
  }

  #add(page: Page): void {
    if (page.bits <= 0) return;
    this.#pages.push(page);
    if (this.#pages.length > 2 * MAX_CANDIDATES) this.#prune();
  }

  #prune(): void {
    if (this.#pages.length <= MAX_CANDIDATES) return;
    this.#pages.sort((a, b) => b.bits - a.bits);
    this.dropped += this.#pages.length - MAX_CANDIDATES;
    this.#pages.length = MAX_CANDIDATES;
  }
}

/**
 * How drivers of this guest align used rings, by those that tell: a used ring in which nothing was
 * written could stand at any of its possible places.
 */
function usualAlignment(pages: readonly Page[]): number {
  const votes = new Map<number, number>();
  for (const page of pages) {
    if (!("split" in page)) continue;
    const [best, second] = page.split.toSorted((a, b) => b.bits - a.bits);
    if (best === undefined || best.used === 0 || best.bits - (second?.bits ?? 0) < 4) continue;
    votes.set(best.alignment, (votes.get(best.alignment) ?? 0) + 1);
  }
  let [alignment, most]: [number, number] = [USED_ALIGNMENTS[0], 0];
  for (const candidate of USED_ALIGNMENTS) {
    const count = votes.get(candidate) ?? 0;
    if (count > most) [alignment, most] = [candidate, count];
  }
  return alignment;
}

/**
 * The reading with most bits. While its used ring is empty that could as well be elsewhere: then the
 * usual alignment decides, not what happens to stand where an event index would be.
 */
function reading(page: Page, alignment: number): Shape {
  if ("packed" in page) return { format: "packed", shape: page.packed };
  const [best] = page.split.toSorted((a, b) => b.bits - a.bits);
  if (best.used !== 0) return { format: "split", shape: best };
  const alike = page.split.filter(({ size, used, bits }) =>
    size === best.size && used === 0 && bits >= best.bits - EVENT_BITS
  );
  const placed = (align: number) =>
    alike.find(({ driver, size, device }) => device === usedAfter(driver, size, align));
  return { format: "split", shape: placed(alignment) ?? placed(USED_ALIGNMENTS[0]) ?? best };
}

/** [start, end) of memory. */
export type Range = readonly [start: number, end: number];

/** The areas that are known. */
function rangesOf({ format, shape }: Shape): Range[] {
  const { descriptor } = shape;
  const areas = format === "packed" ? { descriptor } : shape;
  return areaRanges(format, shape.size, areas);
}

/** Where the areas of a ring are; of a packed one the descriptor ring counts alone. */
export function areaRanges(
  format: "split" | "packed",
  size: number,
  at: { readonly descriptor: number; readonly driver?: number; readonly device?: number },
): Range[] {
  const shapes = areaShapes(format, size);
  const range = (start: number, length: number): Range => [start, start + length];
  const table = range(at.descriptor, shapes.descriptor.length);
  if (format === "packed" || at.driver === undefined || at.device === undefined) return [table];
  return [table, range(at.driver, shapes.driver.length), range(at.device, shapes.device.length)];
}

/** Items, in their order, of which none lies over `limit` or more of those before it. */
export function apart<T>(items: readonly T[], ranges: (item: T) => Range[], limit = 1): T[] {
  const kept: { readonly item: T; readonly ranges: readonly Range[] }[] = [];
  for (const item of items) {
    const ours = ranges(item);
    const meets = ([start, end]: Range) => ours.some(([from, to]) => start < to && from < end);
    if (kept.filter((other) => other.ranges.some(meets)).length < limit) {
      kept.push({ item, ranges: ours });
    }
  }
  return kept.map(({ item }) => item);
}
