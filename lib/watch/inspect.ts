/**
 * Looks at the chains of rings, one ring after the other, for what makes a queue `corrupt`. Walking
 * chains costs more than reading indices, so it is done as often as a small share of time allows.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import { Glance } from "../ring/glance.ts";
import type { Ring, RingIndices, RingSnapshot } from "../ring/snapshot.ts";

/** A ring, and what the looks at it have found. */
export interface Inspected {
  readonly ring: Ring;
  readonly inspection: Inspection;
  /** The last reading that was sampled. */
  readonly indices: RingIndices | null;
}

/** The findings of one ring. */
export interface Inspection {
  /** Those of the last look that the look before it had, too: a moment proves nothing. */
  lasting: readonly Finding[];
  /** Of the last look. */
  last: readonly Finding[];
}

/** Part of one processor that looks may take. */
const SHARE = 0.015;
/** Milliseconds that one round of looks may take. */
const LONGEST = 5;

const NONE: readonly Finding[] = [];

/** Before any look: what is wrong with the configuration itself is so for good. */
export function newInspection(findings: readonly Finding[] = NONE): Inspection {
  return { lasting: findings, last: findings };
}

/** Takes turns through rings. */
export class Inspector {
  #next = 0;
  #rest = 0;
  #rings: readonly Inspected[] = [];
  /** Places of the rings in which the last look found something. */
  readonly #suspects = new Set<number>();
  readonly #glance = new Glance();

  /**
   * Looks at some of `rings`, those first where something was found. `clock` is a steady clock in
   * milliseconds. Gives the places of those where the look changed what lasts.
   */
  look(rings: readonly Inspected[], clock: () => number): number[] {
    const start = clock();
    if (start < this.#rest || rings.length === 0) return [];
    const end = start + LONGEST;
    if (rings !== this.#rings) this.#begin(rings);
    const changed: number[] = [];
    for (const place of this.#suspects) if (clock() < end) this.#inspect(place, changed);
    for (let turn = 0; turn < rings.length && clock() < end; turn++) {
      const place = this.#next++ % rings.length;
      if (!this.#suspects.has(place) && !isEmpty(rings[place])) this.#inspect(place, changed);
    }
    this.#rest = clock() + (clock() - start) / SHARE;
    return changed;
  }

  #begin(rings: readonly Inspected[]): void {
    this.#rings = rings;
    this.#suspects.clear();
    rings.forEach(({ inspection }, place) => {
      if (inspection.last.length > 0) this.#suspects.add(place);
    });
  }

  #inspect(place: number, changed: number[]): void {
    const one = this.#rings[place];
    const { lasting } = one.inspection;
    inspect(one, this.#glance.at(one.ring));
    if (one.inspection.lasting !== lasting) changed.push(place);
    if (one.inspection.last.length > 0) this.#suspects.add(place);
    else this.#suspects.delete(place);
  }
}

/** A ring with nothing in it has no chains to look at. */
function isEmpty({ indices, ring }: Inspected): boolean {
  return indices !== null && indices.inFlight === 0 && ring.findings.length === 0;
}

function inspect({ inspection }: Inspected, snapshot: RingSnapshot): void {
  // What moved under the look proves nothing, neither that there is a fault nor that there is none.
  if (snapshot.raced) return;
  const { findings } = snapshot;
  if (findings.length === 0) {
    inspection.lasting = inspection.last = NONE;
    return;
  }
  const before = new Set(inspection.last.map(nameOf));
  inspection.lasting = findings.filter((one) => before.has(nameOf(one)));
  inspection.last = findings;
}

function nameOf({ code, place }: Finding): string {
  return `${code}@${place}`;
}
