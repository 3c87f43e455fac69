/**
 * Collects what a scan takes for rings, and settles what of it can be true together.
 *
 * @module
 */
import { areaShapes } from "../ring/spec.ts";
import type { Look } from "./look.ts";
import { type PackedShape, packedShape } from "./packed_shape.ts";
import { type SplitShape, splitShapes, USED_ALIGNMENTS } from "./split_shape.ts";

/** Candidates that are kept: no guest has more queues, and a hostile one gains nothing. */
const MAX_CANDIDATES = 4096;

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

  /** One reading for each page, none over memory of a better one; best first. */
  settle(): Shape[] {
    this.#prune();
    const alignment = usualAlignment(this.#pages);
    const shapes = this.#pages.map((page) => reading(page, alignment))
      .sort((a, b) => b.shape.bits - a.shape.bits);
    const kept: Shape[] = [];
    const taken = new Ranges();
    for (const shape of shapes) {
      const ranges = rangesOf(shape);
      if (ranges.some(([start, end]) => taken.meets(start, end))) continue;
      ranges.forEach(([start, end]) => taken.add(start, end));
      kept.push(shape);
    }
    return kept;
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

/** The reading with most bits; among equals the one with the usual alignment. */
function reading(page: Page, alignment: number): Shape {
  if ("packed" in page) return { format: "packed", shape: page.packed };
  const placed = ({ descriptor, size, device }: SplitShape, align: number) =>
    Number(device === Math.ceil((descriptor + 18 * size + 6) / align) * align);
  const [shape] = page.split.toSorted((a, b) =>
    b.bits - a.bits || placed(b, alignment) - placed(a, alignment) ||
    placed(b, USED_ALIGNMENTS[0]) - placed(a, USED_ALIGNMENTS[0])
  );
  return { format: "split", shape };
}

/** [start, end) of the areas that are known. */
function rangesOf({ format, shape }: Shape): [number, number][] {
  const shapes = areaShapes(format, shape.size);
  const of = (start: number, length: number): [number, number] => [start, start + length];
  if (format === "packed") return [of(shape.descriptor, shapes.descriptor.length)];
  return [
    of(shape.descriptor, shapes.descriptor.length),
    of(shape.driver, shapes.driver.length),
    of(shape.device, shapes.device.length),
  ];
}

/** Ranges that are taken. Few: a list will do. */
class Ranges {
  readonly #list: [number, number][] = [];

  add(start: number, end: number): void {
    this.#list.push([start, end]);
  }

  meets(start: number, end: number): boolean {
    return this.#list.some(([from, to]) => start < to && from < end);
  }
}
