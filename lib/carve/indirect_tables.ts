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
import { type Look, PAGE } from "./look.ts";

/**
 * Bits for each table in a ring's pages. A few may be there by the word of a descriptor that was left
 * behind, from before the page was a ring's.
 */
const TABLE = -16;

/** The rings, with what the indirect tables of the others say against them. */
export function weighedByTables(look: Look, rings: readonly FoundRing[]): FoundRing[] {
  const sure = rings.filter(({ certainty }) => certainty === "certain");
  const tables = sure.map((ring) => ({ ring, starts: tablesOf(look, ring) }));
  return rings.flatMap((ring) => {
    const others = tables.filter((other) => other.ring !== ring);
    const within = others.reduce((sum, { starts }) => sum + countWithin(ring, starts), 0);
    return within === 0 ? [ring] : weighed(ring, within);
  });
}

/**
 * Addresses of the tables that a ring's descriptors name, those it has done with included. A device
 * that uses a packed descriptor takes the flag away that tells: there any buffer may be one,
 * and is no other ring's page either.
 */
function tablesOf(look: Look, { config: { format, size, descriptor } }: FoundRing): Set<bigint> {
  const starts = new Set<bigint>();
  const bytes = look.bytes(Number(descriptor), size * DESCRIPTOR_LENGTH);
  if (bytes === null) return starts;
  const view = new DataView(bytes.buffer);
  const isTable = (at: number) =>
    format === "packed" || (view.getUint16(at + 12, true) & DESC_F.INDIRECT) !== 0;
  for (let at = 0; at < bytes.length; at += DESCRIPTOR_LENGTH) {
    if (isTable(at)) starts.add(view.getBigUint64(at, true));
  }
  return starts;
}

function countWithin({ config }: FoundRing, starts: ReadonlySet<bigint>): number {
  const shapes = areaShapes(config.format, config.size);
  const first = pageOf(config.descriptor);
  const last = config.format === "packed"
    ? pageOf(config.descriptor + BigInt(shapes.descriptor.length - 1))
    : pageOf(config.device + BigInt(shapes.device.length - 1));
  let count = 0;
  for (const start of starts) if (pageOf(start) >= first && pageOf(start) <= last) count++;
  return count;
}

function pageOf(address: bigint): bigint {
  return address / BigInt(PAGE);
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
