/**
 * Event suppression structures of a packed ring: virtio 1.4, 2.8.14. Nothing in the ring says where
 * they are. Drivers put each at the start of a page that is otherwise zeros: Linux in pages of their
 * own anywhere, DPDK right behind the ring.
 *
 * One that asks for an event says at which position. That is where the other side of its ring stands
 * now, or has just been: so it is known by what is in it. All others look like any page of zeros.
 *
 * @module
 */
import type { RingPosition } from "../ring/config.ts";
import { EVENT } from "../ring/spec.ts";
import { type Look, PAGE } from "./look.ts";

/** Pages that ask for an event are kept up to this many: two for each queue. */
const MAX_PAGES = 4096;
/** Pages around a ring in which a stand-in is looked for. */
const NEAR = 64;

/** Where the two areas are taken to be. */
export interface EventAreas {
  readonly driver: number;
  readonly device: number;
  /** How many of the two were told by what is in them; the others are stand-ins. */
  readonly known: number;
}

/** A packed ring whose areas are looked for. */
export interface BareRing {
  readonly descriptor: number;
  readonly size: number;
  /** Where the driver is, and the device: what the other side asks to be told of. */
  readonly available: RingPosition;
  readonly used: RingPosition;
}

/** Pages of guest memory that could hold such a structure. */
export class EventPages {
  readonly #addresses: number[] = [];
  readonly #taken = new Set<number>();

  /** Looks closely at a page that begins like one. */
  add(look: Look, address: number): void {
    if (this.#addresses.length < MAX_PAGES && read(look, address) !== null) {
      this.#addresses.push(address);
    }
  }

  /**
   * The areas of each ring, in the same order; none is given twice. First come pages that ask for just
   * where a ring stands, then those that ask for a position between its two sides. Where nothing is
   * found, the nearest page that begins with four zero bytes stands in: it reads as "notifications
   * are enabled", which is what a walker would assume without knowing better. Null only where not
   * even that is near.
   */
  assign(look: Look, rings: readonly BareRing[]): (EventAreas | null)[] {
    const found = rings.map((): Found => ({ driver: null, device: null }));
    for (const fits of [standsAt, liesBetween]) {
      rings.forEach((ring, n) => {
        found[n].driver ??= this.#take(look, ring, (asked) => fits(asked, ring, ring.used));
        found[n].device ??= this.#take(look, ring, (asked) => fits(asked, ring, ring.available));
      });
    }
    return rings.map((ring, n) => completed(look, ring, found[n]));
  }

  /** The nearest free page whose position fits. */
  #take(
    look: Look,
    { descriptor }: BareRing,
    fits: (asked: RingPosition) => boolean,
  ): number | null {
    let [found, nearest]: [number | null, number] = [null, Infinity];
    for (const address of this.#addresses) {
      const distance = Math.abs(address - descriptor);
      if (this.#taken.has(address) || distance >= nearest) continue;
      const asked = read(look, address);
      if (asked !== null && fits(asked)) [found, nearest] = [address, distance];
    }
    if (found !== null) this.#taken.add(found);
    return found;
  }
}

/** What was found of a ring. */
interface Found {
  driver: number | null;
  device: number | null;
}

function completed(look: Look, ring: BareRing, { driver, device }: Found): EventAreas | null {
  const spare = standIns(look, ring);
  const places = [driver ?? spare.next().value, device ?? spare.next().value];
  if (places[0] === undefined || places[1] === undefined) return null;
  const known = Number(driver !== null) + Number(device !== null);
  return { driver: places[0], device: places[1], known };
}

function standsAt(asked: RingPosition, _: BareRing, { index, wrap }: RingPosition): boolean {
  return asked.index === index && asked.wrap === wrap;
}

/** From the device's position to the driver's: with buffers in flight one side asks for the past. */
function liesBetween(asked: RingPosition, { used, available, size }: BareRing): boolean {
  if (asked.index >= size) return false;
  const outstanding = (available.index - used.index + size) % size;
  const ahead = (asked.index - used.index + size) % size;
  return ahead <= outstanding && (asked.index >= used.index) === (asked.wrap === used.wrap);
}

/** The position that a page asks for, as it is now; null where it is no such page. */
function read(look: Look, address: number): RingPosition | null {
  const bytes = look.bytes(address, PAGE);
  if (bytes === null || bytes.subarray(EVENT.LENGTH).some((byte) => byte !== 0)) return null;
  const [place, flags] = [bytes[0] | bytes[1] << 8, bytes[2] | bytes[3] << 8];
  if (flags !== EVENT.DESC) return null;
  return { index: place & ~EVENT.WRAP, wrap: (place & EVENT.WRAP) !== 0 };
}

/** Pages around a ring that begin with zeros, nearest first. */
function* standIns(look: Look, { descriptor, size }: BareRing): Generator<number> {
  const end = Math.ceil((descriptor + 16 * size) / PAGE) * PAGE;
  for (let step = 0; step < NEAR; step++) {
    for (const address of [end + step * PAGE, descriptor - (step + 1) * PAGE]) {
      const head = address < PAGE ? null : look.head(address);
      if (head !== null && head.flags === 0 && head.index === 0) yield address;
    }
  }
}
