/**
 * Which notifications each side wants: virtio 1.4, 2.7.7, 2.7.10 and 2.8.10.
 *
 * @module
 */
import type { RingSide, Suppression } from "./snapshot.ts";
import { AVAIL, EVENT, USED } from "./spec.ts";

/** All there are, so that a reading many times a second makes none. */
const ALL = (["flags", "event index"] as const).map((by) =>
  [false, true].map((kickWanted) =>
    [false, true].map((callWanted): Suppression => ({ kickWanted, callWanted, by }))
  )
);

/** Of a ring that can not be read. */
export const NOTHING_WANTED: Suppression = ALL[0][0][0];

/** Of a split ring: by both event indices, else by both flags. */
export function splitSuppression(available: RingSide, used: RingSide): Suppression {
  if (used.event === null || available.event === null) {
    const kick = (used.flags & USED.F_NO_NOTIFY) === 0;
    return chosen(0, kick, (available.flags & AVAIL.F_NO_INTERRUPT) === 0);
  }
  return chosen(1, used.event === available.index, available.event === used.index);
}

/** Of a packed ring: each side has its own way. */
export function packedSuppression(available: RingSide, used: RingSide): Suppression {
  const by = used.event !== null || available.event !== null ? 1 : 0;
  return chosen(by, wanted(used, available), wanted(available, used));
}

function chosen(by: 0 | 1, kick: boolean, call: boolean): Suppression {
  return ALL[by][kick ? 1 : 0][call ? 1 : 0];
}

/** Whether the owner of an event area wants to hear of the next descriptor of the other side. */
function wanted(owner: RingSide, other: RingSide): boolean {
  if (owner.event !== null) return owner.event === other.index && owner.eventWrap === other.wrap;
  return (owner.flags & EVENT.FLAGS_MASK) !== EVENT.DISABLE;
}
