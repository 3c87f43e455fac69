/**
 * Split rings by their shape: virtio 1.4, 2.7. Drivers allocate the three areas as one block that
 * starts at a page:
 *
 * ```text
 * P                 P + 16 Q              U = align(P + 18 Q + 6)
 * [ descriptors     ][ available ring ]...[ used ring              ]
 *   addr len f next   flags idx heads       flags idx (id, len)…
 * ```
 *
 * Q is a power of two. U is aligned to a cache line (Linux on PCI) or to 4096 (Linux on MMIO and
 * legacy PCI, DPDK, Windows, FreeBSD, firmware).
 *
 * @module
 */
import { AVAIL, DESC_F, MAX_QUEUE_SIZE, USED } from "../ring/spec.ts";
import { bitsOf, counted, type Evidence } from "./evidence.ts";
import { addressAt, type Look } from "./look.ts";

/** Alignments of the used ring, the commonest first: where nothing tells, the first one counts. */
export const USED_ALIGNMENTS = [64, 4096, 128, 256, 4] as const;

/** Larger rings no VMM in use offers: QEMU's VIRTQUEUE_MAX_SIZE. */
const USUAL_SIZE = 1024;

/** How the agreement of the two rings is told. */
const SAME_ORDER = "used elements in the order of the heads";

/** What an event index near the other side's index weighs. */
export const EVENT_BITS = 6;

/** One way to take a page for a ring. */
export interface SplitShape {
  readonly size: number;
  /** False where nothing stands in the upper half of so large a ring, and its used ring is empty. */
  readonly sizeKnown: boolean;
  readonly descriptor: number;
  readonly driver: number;
  readonly device: number;
  /** Alignment that puts the used ring there; the smallest of several. */
  readonly alignment: number;
  readonly available: number;
  readonly used: number;
  /** VIRTIO_F_EVENT_IDX seems to be negotiated. */
  readonly eventIndex: boolean;
  readonly evidence: readonly Evidence[];
  readonly bits: number;
}

/** What was counted in a descriptor table, up to a size. */
interface Table {
  readonly words: Uint32Array;
  readonly described: number;
  readonly bad: number;
  /** Unused descriptors that are linked as a list of free ones. */
  readonly linked: number;
  /** Index behind the last descriptor that is described or linked. */
  readonly top: number;
}

/** Every way to take the page at `address` for a split ring; mostly none. */
export function splitShapes(look: Look, address: number): SplitShape[] {
  const shapes: SplitShape[] = [];
  let words = new Uint32Array(0);
  let [described, bad, linked, top] = [0, 0, 0, 0];
  for (let size = 1; size <= MAX_QUEUE_SIZE; size *= 2) {
    if (words.length < size * 4) {
      const bytes = look.bytes(address, Math.max(size * 16, 4096));
      if (bytes === null) break;
      words = new Uint32Array(bytes.buffer);
    }
    for (let index = size >>> 1; index < size; index++) {
      const kind = descriptorKind(look, words, index, size);
      if (kind === "described") described++;
      else if (kind === "bad") bad++;
      else if (kind === "linked") linked++;
      if (kind === "described" || kind === "linked") top = index + 1;
    }
    // The table of a larger ring begins with this one: it can not become better.
    if (bad > tolerated(size)) break;
    if (size > 1) {
      shapes.push(...areas(look, address, size, { words, described, bad, linked, top }));
    }
  }
  return shapes;
}

/** How many entries of a table, or of a ring, may be wrong: a broken ring is a ring, too. */
function tolerated(size: number): number {
  return size < 16 ? 0 : size >>> 4;
}

function descriptorKind(
  look: Look,
  words: Uint32Array,
  index: number,
  size: number,
): "described" | "unused" | "linked" | "bad" {
  const at = index * 4;
  const [length, tail] = [words[at + 2], words[at + 3]];
  const [flags, next] = [tail & 0xffff, tail >>> 16];
  if ((words[at] | words[at + 1] | length | flags) === 0) {
    return next === 0 ? "unused" : next === index + 1 ? "linked" : next > 32768 ? "bad" : "unused";
  }
  const known = (flags & ~(DESC_F.NEXT | DESC_F.WRITE | DESC_F.INDIRECT)) === 0;
  const both = DESC_F.NEXT | DESC_F.INDIRECT;
  const table = (flags & DESC_F.INDIRECT) === 0 || length % 16 === 0;
  const linked = (flags & DESC_F.NEXT) === 0 ? next <= 32768 : next < Math.max(size, 32768);
  const good = known && (flags & both) !== both && table && linked && length > 0 &&
    length < 0x80000000 && look.isMemory(addressAt(words, at));
  return good ? "described" : "bad";
}

/** Places of the other two areas for one size. */
function areas(look: Look, descriptor: number, size: number, table: Table): SplitShape[] {
  const driver = descriptor + 16 * size;
  const head = look.head(driver);
  // An index of 0 is that of a ring nobody used, or of any zeros.
  if (head === null || head.flags > AVAIL.F_NO_INTERRUPT || head.index === 0) return [];
  const bytes = look.bytes(driver, AVAIL.RING + 2 * size + 2);
  if (bytes === null) return [];
  const available = new Uint16Array(bytes.buffer);
  const wild = available.subarray(2, 2 + size).filter((entry) => entry >= size).length;
  if (wild > tolerated(size)) return [];
  const seen = new Set<number>();
  return [...USED_ALIGNMENTS].sort((a, b) => a - b).flatMap((alignment) => {
    const device = usedAfter(driver, size, alignment);
    if (seen.has(device)) return [];
    seen.add(device);
    const shape = usedRing(look, { size, descriptor, driver, device, alignment }, available, table);
    return shape === null ? [] : [shape];
  });
}

type Place = Pick<SplitShape, "size" | "descriptor" | "driver" | "device" | "alignment">;

function usedRing(
  look: Look,
  place: Place,
  available: Uint16Array,
  table: Table,
): SplitShape | null {
  const { size, device, driver } = place;
  // The used index before the available one: of a ring that moves, the other way round the device
  // could have used what was not seen as available.
  const head = look.head(device);
  const offered = look.head(driver);
  if (head === null || offered === null || head.flags > USED.F_NO_NOTIFY) return null;
  const outstanding = (offered.index - head.index) & 0xffff;
  if (outstanding > size) return null;
  const bytes = look.bytes(device, USED.RING + USED.ELEMENT * size + 2);
  if (bytes === null) return null;
  const used = new DataView(bytes.buffer);
  const wild = count(size, (n) => used.getUint32(4 + 8 * n, true) >= size);
  if (wild > tolerated(size)) return null;
  const events = eventIndices(available, used, size);
  const wrong = table.bad + wild +
    available.subarray(2, 2 + size).filter((entry) => entry >= size).length;
  const evidence = [
    ...indices(offered.index, head.index, size),
    ...counted(table.described, 2, 16, "descriptors in memory"),
    ...counted(table.linked, 0.5, 6, "free descriptors linked"),
    ...agreement(available, used, size),
    ...events,
    ...counted(wrong, -2, 0, "entries out of range"),
  ];
  const eventIndex = events.length > 0;
  const index = { available: offered.index, used: head.index };
  const least = leastSize(available, table, outstanding);
  const told = toldByUsed(place, index, evidence) || isFirstLap(used, head.index, size);
  const shape = { ...place, ...index, eventIndex, evidence, bits: bitsOf(evidence) };
  return { ...shape, ...believed(place, least, told) };
}

/** The smallest size in which everything has its place that was seen of a ring. */
function leastSize(available: Uint16Array, table: Table, outstanding: number): number {
  const entries = available.subarray(2, -1);
  const slots = entries.findLastIndex((entry) => entry !== 0) + 1;
  const heads = entries.reduce((most, entry) => Math.max(most, entry + 1), 0);
  const needed = Math.max(2, table.top, slots, Math.min(heads, entries.length), outstanding);
  return 2 ** Math.ceil(Math.log2(needed));
}

/** Whether the used ring was found, which stands where the size puts it. */
function toldByUsed(
  { size }: Place,
  { available, used }: { readonly available: number; readonly used: number },
  evidence: readonly Evidence[],
): boolean {
  if (used === 0) return false;
  return size <= USUAL_SIZE || available === used ||
    evidence.some(({ text }) => text.endsWith(SAME_ORDER));
}

/** Whether elements are written up to the index, and none behind it: of one head alone there is no order. */
function isFirstLap(used: DataView, index: number, size: number): boolean {
  if (index === 0 || index >= size) return false;
  const written = (n: number) => used.getBigUint64(4 + 8 * n, true) !== 0n;
  return count(size, (n) => written(n) !== n < index) === 0;
}

/**
 * The areas of one block tell the size by their distance. Where nothing else does it is a guess, and
 * of a size that nobody uses a bad one: then the areas were allocated apart.
 */
function believed(
  place: Place,
  least: number,
  told: boolean,
): Partial<SplitShape> & Pick<SplitShape, "size" | "sizeKnown" | "device"> {
  const { size, driver, device, alignment } = place;
  if (told || least >= size) return { size, sizeKnown: true, device };
  if (size <= USUAL_SIZE) return { size, sizeKnown: false, device };
  // What stands there was not looked at, and its index is not that of the place before.
  return { size: least, sizeKnown: false, device: usedAfter(driver, least, alignment), used: 0 };
}

/** Where the used ring is that stands behind the available one. */
export function usedAfter(driver: number, size: number, alignment: number): number {
  return Math.ceil((driver + AVAIL.RING + 2 * size + 2) / alignment) * alignment;
}

/** Two 16-bit numbers that differ by no more than the size. */
function indices(available: number, used: number, size: number): Evidence[] {
  const chance = Math.log2(65536 / (size + 1));
  const text = `indices ${available} and ${used}`;
  // A used ring of zeros says nothing; then the available index is a small number at most.
  if (used === 0) return [{ text, bits: Math.min(chance, 4) }];
  return [{ text, bits: Math.min(chance, 8) + (available === used ? 3 : 2) }];
}

/** Heads other than 0, and used elements that stand where their head stood. */
function agreement(available: Uint16Array, used: DataView, size: number): Evidence[] {
  const heads = count(size, (n) => available[2 + n] !== 0 && available[2 + n] < size);
  const id = (n: number) => used.getUint32(4 + 8 * n, true);
  const same = count(size, (n) => id(n) !== 0 && id(n) === available[2 + n]);
  const lengths = count(size, (n) => used.getUint32(8 + 8 * n, true) !== 0);
  return [
    ...counted(heads, 0.75, 9, "heads within the table"),
    ...counted(same, 2, 14, SAME_ORDER),
    ...counted(lengths, 0.25, 2, "used lengths"),
  ];
}

/** 2.7.10: used_event and avail_event follow the other side's index. */
function eventIndices(available: Uint16Array, used: DataView, size: number): Evidence[] {
  const usedEvent = available[2 + size];
  const availEvent = used.getUint16(4 + 8 * size, true);
  const near = (event: number, index: number) => ((index - event) & 0xffff) <= size;
  const usedIndex = used.getUint16(2, true);
  return [
    ...(usedEvent !== 0 && near(usedEvent, usedIndex) && usedIndex !== 0
      ? [{ text: `used_event ${usedEvent}`, bits: EVENT_BITS }]
      : []),
    ...(availEvent !== 0 && near(availEvent, available[1])
      ? [{ text: `avail_event ${availEvent}`, bits: EVENT_BITS }]
      : []),
  ];
}

function count(size: number, test: (n: number) => boolean): number {
  let sum = 0;
  for (let n = 0; n < size; n++) if (test(n)) sum++;
  return sum;
}
