/**
 * Looks at the chains of rings, one ring after the other, for what makes a queue `corrupt`. Walking
 * chains costs more than reading indices, so it is done as often as a small share of time allows.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { Ring, RingIndices } from "../ring/snapshot.ts";

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
const SHARE = 0.02;
/** Milliseconds that one round of looks may take. */
const LONGEST = 5;

const NONE: readonly Finding[] = [];

/** Before any look. */
export function newInspection(): Inspection {
  return { lasting: NONE, last: NONE };
}

/** Takes turns through rings. */
export class Inspector {
  #next = 0;
  #rest = 0;

  /**
   * Looks at some of `rings`, those first where something was found. `clock` is a steady clock in
   * milliseconds.
   */
  look(rings: readonly Inspected[], clock: () => number): void {
    const start = clock();
    if (start < this.#rest || rings.length === 0) return;
    const end = start + LONGEST;
    for (const one of rings) {
      if (one.inspection.last.length > 0 && clock() < end) inspect(one);
    }
    for (let turn = 0; turn < rings.length && clock() < end; turn++) {
      const one = rings[this.#next++ % rings.length];
      if (one.inspection.last.length === 0 && !isEmpty(one)) inspect(one);
    }
    this.#rest = clock() + (clock() - start) / SHARE;
  }
}

/** A ring with nothing in it has no chains to look at. */
function isEmpty({ indices, ring }: Inspected): boolean {
  return indices !== null && indices.inFlight === 0 && ring.findings.length === 0;
}

function inspect({ ring, inspection }: Inspected): void {
  const snapshot = ring.snapshot();
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
