/**
 * Indirect tables beside each other are descriptors by the hundred: they can pass for the table of a
 * ring, and those further on for its other two areas. A ring's pages are its own, though, so what
 * shares a page with the tables of a ring that is certain is most likely none itself.
 *
 * @module
 */
import { areaShapes, DESC_F, DESCRIPTOR_LENGTH } from "../ring/spec.ts";
import { certaintyOf, counted, scoreOf } from "./evidence.ts";
import type { FoundRing } from "./found_ring.ts";
import { addressAt, type Look, PAGE } from "./look.ts";

/**
 * Bits for each table in a ring's pages. A few may be there by the word of a descriptor that was left
 * behind, from before the page was a ring's.
 */
const TABLE = -16;

/** Tables that are looked up at most: no driver has so many, and a hostile one gains nothing. */
const MOST_TABLES = 1 << 20;

/** How many tables begin in each page, by its number. */
type Pages = Map<number, number>;

/** The rings, with what the indirect tables of the others say against them. */
export function weighedByTables(look: Look, rings: readonly FoundRing[]): FoundRing[] {
  const all: Pages = new Map();
  const own = new Map<FoundRing, Pages>();
  let left = MOST_TABLES;
  for (const ring of rings) {
    if (ring.certainty !== "certain" || left <= 0) continue;
    const starts = tablesOf(look, ring);
    own.set(ring, new Map());
    for (const pages of [all, own.get(ring) as Pages]) countInto(pages, starts);
    left -= starts.size;
  }
  return rings.flatMap((ring) => {
    const within = countWithin(ring, all) - countWithin(ring, own.get(ring) ?? new Map());
    return within === 0 ? [ring] : weighed(ring, within);
  });
}

function countInto(pages: Pages, starts: ReadonlySet<number>): void {
  for (const start of starts) pages.set(pageOf(start), (pages.get(pageOf(start)) ?? 0) + 1);
}

/**
 * Addresses of the tables that a ring's descriptors name, those it has done with included. A device
 * that uses a packed descriptor takes the flag away that tells: there any buffer may be one,
 * and is no other ring's page either.
 */
function tablesOf(look: Look, { config: { format, size, descriptor } }: FoundRing): Set<number> {
  const starts = new Set<number>();
  const bytes = look.bytes(Number(descriptor), size * DESCRIPTOR_LENGTH);
  if (bytes === null) return starts;
  const words = new Uint32Array(bytes.buffer);
  const isTable = (at: number) => format === "packed" || (words[at + 3] & DESC_F.INDIRECT) !== 0;
  for (let at = 0; at < words.length; at += DESCRIPTOR_LENGTH / 4) {
    if (isTable(at)) starts.add(addressAt(words, at));
  }
  return starts;
}

/** Tables that begin in the pages of a ring's areas, of which the descriptors come first. */
function countWithin({ config }: FoundRing, pages: Pages): number {
  const shapes = areaShapes(config.format, config.size);
  const [from, end] = config.format === "packed"
    ? [config.descriptor, config.descriptor + BigInt(shapes.descriptor.length)]
    : [config.descriptor, config.device + BigInt(shapes.device.length)];
  let count = 0;
  for (let page = pageOf(Number(from)); page <= pageOf(Number(end) - 1); page++) {
    count += pages.get(page) ?? 0;
  }
  return count;
}

function pageOf(address: number): number {
  return Math.floor(address / PAGE);
}

/** The ring with this against it; none where nothing is left that speaks for it. */
function weighed(ring: FoundRing, tables: number): FoundRing[] {
  const against = counted(tables, TABLE, 0, "indirect tables of another ring in its pages");
  const evidence = [...ring.evidence, ...against]
    .toSorted((a, b) => Math.abs(b.bits) - Math.abs(a.bits));
  // What else lowered the score, such as firmware that left the ring behind, still does.
  const score = ring.score * scoreOf(evidence) / scoreOf(ring.evidence);
  return score > 0 ? [{ ...ring, score, certainty: certaintyOf(score), evidence }] : [];
}
