/**
 * Where both sides of a packed ring stand. The ring has no indices in memory (virtio 1.4, 2.8.1):
 * the driver's position follows from the AVAIL bits, the device's is a guess that the walker's
 * documentation describes.
 *
 * @module
 */
import type { RingConfig } from "../../../lib/ring/config.ts";

const [NEXT, INDIRECT, AVAIL, USED] = [1, 4, 1 << 7, 1 << 15];

/** A slot and the wrap counter of the lap it is reached in. */
export interface Place {
  readonly index: number;
  readonly wrap: boolean;
}

/** Fields of a ring's descriptors. */
export interface Slots {
  readonly size: number;
  readonly flags: (slot: number) => number;
  readonly id: (slot: number) => number;
  /** Whether any byte of the slot is not zero. */
  readonly written: (slot: number) => boolean;
}

interface Positions {
  readonly used: Place;
  readonly available: Place;
  readonly exact: boolean;
}

/** The place `count` slots (a lap at most) after another. */
export function endOf({ index, wrap }: Place, count: number, size: number): Place {
  const end = index + count;
  return end < size ? { index: end, wrap } : { index: end - size, wrap: !wrap };
}

function before({ index, wrap }: Place, count: number, size: number): Place {
  const start = index - count;
  return start >= 0 ? { index: start, wrap } : { index: start + size, wrap: !wrap };
}

/** `start`, else a `used` that the ring bears out, else what the flags say. */
export function positions(slots: Slots, { start, used, size }: RingConfig): Positions {
  if (start !== undefined && start.index < size) {
    const available = known(slots, start);
    return { used: fetchedBefore(slots, start, used, available), available, exact: true };
  }
  const { posting, ...available } = driverPlace(slots);
  const run = runBefore(slots, available);
  const hint = used !== undefined && used.index < size
    ? bornOut(slots, used.index, available, run)
    : null;
  if (hint !== null) return { used: hint, available, exact: !posting };
  const stale = run < size ? staleSlots(slots, available, run) : 0;
  const from = before(available, run - stale, size);
  const fresh = run < size && from.index === 0 && !slots.written(size - 1);
  return { used: from, available, exact: !posting && (run === 0 || fresh) };
}

/**
 * The place of a slot that is said to be the device's: one in the run, where what is before it in
 * the run is the rest of one list. A slot that is the driver's, too, means an idle ring, or a full one.
 */
function bornOut(slots: Slots, slot: number, available: Place, run: number): Place | null {
  for (let count = run === slots.size ? 1 : 0; count <= run; count++) {
    const place = before(available, count, slots.size);
    if (place.index !== slot) continue;
    const rest = Array.from(
      { length: run - count },
      (_, n) => (slots.flags(before(place, n + 1, slots.size).index) & NEXT) !== 0,
    );
    return rest.every((more, n) => more === (n > 0)) ? place : null;
  }
  return null;
}

/** The driver stands behind the lists that begin at the device's known place. */
function known(slots: Slots, start: Place): Place {
  let available = start;
  let left = slots.size;
  while (left > 0 && isAvailable(slots, available)) {
    let more = true;
    while (more) {
      more = (slots.flags(available.index) & NEXT) !== 0;
      available = endOf(available, 1, slots.size);
      left--;
      more &&= left > 0 && isAvailable(slots, available);
    }
  }
  return available;
}

/**
 * Where a consumer starts there may be lists before that it has fetched and not used: from `used` on,
 * if all of that is available and not more than a lap.
 */
function fetchedBefore(
  slots: Slots,
  start: Place,
  used: Place | undefined,
  available: Place,
): Place {
  if (used === undefined || used.index >= slots.size) return start;
  const ahead = available.index - start.index + (available.wrap === start.wrap ? 0 : slots.size);
  for (let count = 0; count < slots.size; count++) {
    const place = before(start, count, slots.size);
    if (count > 0 && !isAvailable(slots, place)) return start;
    if (place.index === used.index) return count + ahead <= slots.size ? place : start;
  }
  return start;
}

function isAvailable({ flags }: Slots, { index, wrap }: Place): boolean {
  return ((flags(index) & AVAIL) !== 0) === wrap && ((flags(index) & USED) !== 0) !== wrap;
}

/** A slot that is available in one lap or another. */
function withDevice({ flags }: Slots, slot: number): boolean {
  return ((flags(slot) & AVAIL) !== 0) !== ((flags(slot) & USED) !== 0);
}

/**
 * The first slot whose AVAIL is not slot 0's: the driver has not been there in this lap. Where the
 * bits change more than once a list is being posted, whose first slot (old, while others are new
 * already) is the place: slot 0, or the last old one before the end of the ring, or the usual one.
 */
function driverPlace({ size, flags }: Slots): Place & { posting: boolean } {
  const bits = Array.from({ length: size }, (_, slot) => (flags(slot) & AVAIL) !== 0)
    .map((bit, _, all) => bit === all[0] ? "a" : "b").join("");
  const wrap = (flags(0) & AVAIL) !== 0;
  const index = bits.indexOf("b");
  if (index < 0) return { index: 0, wrap: !wrap, posting: false };
  if (/^a+b+$/.test(bits)) return { index, wrap, posting: false };
  const over = /^(a+bb+)ab*$/.exec(bits);
  if (over !== null) return { index: over[1].length, wrap: !wrap, posting: true };
  if (/^ab+a+$/.test(bits)) return { index: 0, wrap: !wrap, posting: true };
  return { index, wrap, posting: true };
}

/** How many slots before a place are available in the lap that they are reached in. */
function runBefore(slots: Slots, place: Place): number {
  let run = 0;
  while (run < slots.size && isAvailable(slots, before(place, run + 1, slots.size))) run++;
  return run;
}

/**
 * Slots at the start of the run that are the rest of the list used last: its last descriptor has the
 * buffer id of the used one before. Not so where a driver posts one buffer of one slot at a time.
 */
function staleSlots(slots: Slots, available: Place, run: number): number {
  const { size, flags, id } = slots;
  const at = (n: number) => before(available, run - n, size).index;
  const last = (at(0) - 1 + size) % size;
  const wasUsed = (slot: number) => slots.written(slot) && !withDevice(slots, slot);
  if (run === 0 || !wasUsed(last)) return 0;
  for (let n = 0; n < run; n++) {
    if ((flags(at(n)) & INDIRECT) !== 0) return 0;
    if ((flags(at(n)) & NEXT) !== 0) continue;
    if (id(at(n)) !== id(last)) return 0;
    return n === 0 && wasUsed((last - 1 + size) % size) ? 0 : n + 1;
  }
  return 0;
}
