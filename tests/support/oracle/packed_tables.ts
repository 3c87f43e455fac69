/**
 * Whose indirect table a packed list's reference leads to. A device writes a used descriptor to its
 * own next place, and not over the list that it has used (virtio 1.4, 2.8.6); the driver may free the
 * table of that list as soon as it has seen it (2.8.22). Until the device comes by, the reference
 * stays. So a table is the list's only where the list can not have been used.
 *
 * @module
 */
import type { RingConfig } from "../../../lib/ring/config.ts";
import { endOf, type Place, type Slots } from "./packed_position.ts";

const [NEXT, AVAIL, USED] = [1, 1 << 7, 1 << 15];
const IN_ORDER = 1n << 35n;

/** Where a list begins, and its buffer id. */
interface Posted {
  readonly slot: number;
  readonly id: number;
}

/** Slots of the first descriptors of lists whose tables may be anybody's, from `first` on. */
export function freedTables(
  slots: Slots,
  config: RingConfig,
  first: Place,
  exact: boolean,
): ReadonlySet<number> {
  const ordered = (config.features & IN_ORDER) !== 0n;
  if (config.start !== undefined || (ordered && exact)) return new Set();
  const { lists, full } = posted(slots, first);
  // The last slot is zero until the first lap ends: till then nothing used was written over.
  const secondLap = slots.written(slots.size - 1);
  const own = usedIds(slots);
  const last = new Map(lists.map(({ id }, n) => [id, n]));
  const gone = lists.map(({ id }, n) => own.has(id) || last.get(id) !== n);
  const newest = gone.lastIndexOf(true);
  const maybe = lists.filter((_, n) =>
    // In order (2.8.9) whatever came before a used list is used, too.
    (secondLap && n + 1 < lists.length) || (ordered ? n <= newest : gone[n])
  );
  const unseen = full && config.fetched?.index === first.index
    ? null
    : seenUpTo(config, first, slots.size);
  const away = (slot: number) => (slot + slots.size - first.index) % slots.size;
  const taken = maybe.filter(({ slot }) => unseen === null || away(slot) < away(unseen));
  return new Set(taken.map(({ slot }) => slot));
}

/** All that looks available from a place on, by lists. */
function posted(slots: Slots, first: Place): { lists: Posted[]; full: boolean } {
  const lists: Posted[] = [];
  let [place, begin, left] = [first, first.index, slots.size];
  for (; left > 0 && isAvailable(slots, place); left--) {
    const after = endOf(place, 1, slots.size);
    const goesOn = (slots.flags(place.index) & NEXT) !== 0 && left > 1 &&
      isAvailable(slots, after);
    if (!goesOn) {
      lists.push({ slot: begin, id: slots.id(place.index) });
      begin = after.index;
    }
    place = after;
  }
  return { lists, full: left === 0 };
}

/** 2.8.1: AVAIL is the wrap counter, USED is not. */
function isAvailable({ flags }: Slots, { index, wrap }: Place): boolean {
  const bits = flags(index) & (AVAIL | USED);
  return bits === (wrap ? AVAIL : USED);
}

/** Ids in used descriptors, of whatever lap: both bits the same, and not a slot that nobody wrote. */
function usedIds({ size, flags, id, written }: Slots): Set<number> {
  const used = Array.from({ length: size }, (_, slot) => slot).filter((slot) => {
    const bits = flags(slot) & (AVAIL | USED);
    return (bits === 0 || bits === (AVAIL | USED)) && written(slot);
  });
  return new Set(used.map(id));
}

/**
 * The first slot that the device has not fetched, null where nobody knows. Whoever told it told the
 * used position with it: if that is another by now, the device has been on since.
 */
function seenUpTo({ fetched, used }: RingConfig, first: Place, size: number): number | null {
  if (fetched === undefined || fetched.index >= size) return null;
  if (used !== undefined && used.index < size && used.index !== first.index) return null;
  return fetched.index;
}
