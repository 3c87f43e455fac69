/**
 * Position and wrap counter of one side of a packed queue, and event suppression between the two:
 * virtio 1.4, 2.8.1, 2.8.10 and 2.8.14.
 *
 * @module
 */
import type { RingPosition } from "./config.ts";
import type { SharedArea } from "./shared_area.ts";
import { DESC_F, EVENT, needEvent } from "./spec.ts";

/** Offset of the flags in an event suppression structure. */
const FLAGS = 2;

/** A slot with its wrap counter. */
export class PackedCursor {
  #slot: number;
  #wrap: boolean;

  /** Starts at slot 0 with wrap counter 1, unless said otherwise. */
  constructor(readonly size: number, start: RingPosition = { index: 0, wrap: true }) {
    this.#slot = start.index % size;
    this.#wrap = start.wrap;
  }

  get slot(): number {
    return this.#slot;
  }

  get wrap(): boolean {
    return this.#wrap;
  }

  /** Both, as a value. */
  get position(): RingPosition {
    return { index: this.#slot, wrap: this.#wrap };
  }

  /** AVAIL and USED of a descriptor that is available in this round. */
  get availableFlags(): number {
    return this.#wrap ? DESC_F.AVAIL : DESC_F.USED;
  }

  /** AVAIL and USED of a descriptor that is used in this round. */
  get usedFlags(): number {
    return this.#wrap ? DESC_F.AVAIL | DESC_F.USED : 0;
  }

  /** Goes on by at most `size` slots. */
  advance(count: number): void {
    this.#slot += count;
    if (this.#slot < this.size) return;
    this.#slot -= this.size;
    this.#wrap = !this.#wrap;
  }
}

/** Asks the other side for an event at the cursor (EVENT_IDX), or for all events. */
export function writeEvent(area: SharedArea, eventIndex: boolean, cursor: PackedCursor): void {
  if (eventIndex) area.store16(0, cursor.slot | (cursor.wrap ? EVENT.WRAP : 0));
  area.store16(FLAGS, eventIndex ? EVENT.DESC : EVENT.ENABLE);
}

/**
 * Whether the other side, whose suppression structure this is, wants an event after the cursor
 * moved on by `moved` slots. Unknown flags count as a wish.
 */
export function wantsEvent(
  area: SharedArea,
  eventIndex: boolean,
  cursor: PackedCursor,
  moved: number,
): boolean {
  const flags = area.load16(FLAGS) & EVENT.FLAGS_MASK;
  if (flags === EVENT.DISABLE) return false;
  if (flags !== EVENT.DESC || !eventIndex) return true;
  const event = area.load16(0);
  const sameRound = (event & EVENT.WRAP) !== 0 === cursor.wrap;
  const offset = (event & ~EVENT.WRAP) - (sameRound ? 0 : cursor.size);
  return needEvent(offset, cursor.slot, cursor.slot - moved);
}
