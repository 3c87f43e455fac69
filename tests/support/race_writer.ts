/**
 * A worker that keeps a ring moving at full speed: a driver and a device that obey the standard, with
 * a number in every buffer's address by which a reader can tell which it is. Or one that obeys
 * nothing, and scribbles.
 *
 * @module
 */

/** What the worker is to do. */
export interface RaceJob {
  /** The ring's memory; what is at which offset, see {@linkcode RACE}. */
  readonly memory: SharedArrayBuffer;
  /** Word 0: not 0 to stop. Word 1: bursts of work done so far. */
  readonly control: SharedArrayBuffer;
  readonly work: "split" | "packed" | "scribble";
  readonly size: number;
  /** Every other buffer is an indirect table. */
  readonly indirect: boolean;
}

/** Offsets in the memory, and where buffers are: far from it, they are never read. */
export const RACE = {
  descriptor: 0x1000,
  driver: 0x8000,
  device: 0xa000,
  tables: 0x10000,
  memory: 0x20000,
  buffers: 1n << 32n,
  /** Bytes of addresses for each buffer: number n has those from `buffers` + n * `each` on. */
  each: 4096,
  /** All of them together. */
  length: 1n << 44n,
} as const;

/** How many descriptors buffer number `n` has: 1 to 3, in no obvious order. */
export function raceCount(n: number): number {
  return 1 + (Math.imul(n, 0x9e3779b1) >>> 16) % 3;
}

/** Whether buffer number `n` is an indirect table. */
export function raceIndirect(n: number, indirect: boolean): boolean {
  return indirect && (Math.imul(n, 0x85ebca6b) >>> 20) % 2 === 0;
}

/** Descriptors of a table: room for three. */
const TABLE = 48;

interface Side {
  readonly job: RaceJob;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
  /** First descriptor of each buffer that is with the device, oldest first, and how many. */
  readonly held: { first: number; count: number }[];
  /** Number of the next buffer to post. */
  next: number;
  free: number;
}

/** Fields of one descriptor that are the same in both formats: the last word comes after. */
function writeBuffer({ words }: Side, at: number, number: number, part: number): void {
  const address = number * RACE.each + 16 * part;
  words[at >> 2] = address >>> 0;
  words[(at >> 2) + 1] = Math.floor(address / 2 ** 32) + 1;
  words[(at >> 2) + 2] = 1 + part;
}

/** Writes the table of a buffer and gives its offset in memory. */
function writeTable(side: Side, slot: number, number: number, split: boolean): number {
  const table = RACE.tables + TABLE * slot;
  const count = raceCount(number);
  for (let part = 0; part < count; part++) {
    writeBuffer(side, table + 16 * part, number, part);
    const more = split && part + 1 < count;
    side.words[((table + 16 * part) >> 2) + 3] = more ? 1 | (part + 1) << 16 : 0;
  }
  return table;
}

function refer({ words }: Side, at: number, table: number, number: number): void {
  words[at >> 2] = table;
  words[(at >> 2) + 1] = 0;
  words[(at >> 2) + 2] = 16 * raceCount(number);
}

/** 2.7.13: descriptors are taken in turn, so a chain is `first`, `first + 1` and so on. */
function splitDriver(side: Side): () => void {
  const { job: { size, indirect }, halves, words, held } = side;
  let first = 0;
  return () => {
    const number = side.next;
    const table = raceIndirect(number, indirect);
    const count = table ? 1 : raceCount(number);
    if (count > side.free) return;
    for (let part = 0; part < count; part++) {
      const index = (first + part) % size;
      const at = RACE.descriptor + 16 * index;
      const more = part + 1 < count;
      if (table) refer(side, at, writeTable(side, index, number, true), number);
      else writeBuffer(side, at, number, part);
      words[(at >> 2) + 3] = table ? 4 : more ? 1 | ((index + 1) % size) << 16 : 0;
    }
    halves[(RACE.driver + 4 + 2 * (number % size)) >> 1] = first;
    held.push({ first, count });
    first = (first + count) % size;
    side.free -= count;
    side.next++;
    Atomics.store(halves, (RACE.driver + 2) >> 1, side.next & 0xffff);
  };
}

function splitDevice(side: Side): () => void {
  const { job: { size }, halves, words, held } = side;
  let used = 0;
  return () => {
    const done = held.shift();
    if (done === undefined) return;
    const at = RACE.device + 4 + 8 * (used % size);
    words[at >> 2] = done.first;
    words[(at >> 2) + 1] = 0;
    Atomics.store(halves, (RACE.device + 2) >> 1, ++used & 0xffff);
    side.free += done.count;
  };
}

/** 2.8.21: the flags of a list's first descriptor are stored last. */
function packedDriver(side: Side): () => void {
  const { job: { size, indirect }, halves, held } = side;
  let [slot, wrap] = [0, true];
  return () => {
    const number = side.next;
    const table = raceIndirect(number, indirect);
    const count = table ? 1 : raceCount(number);
    if (count > side.free) return;
    const first = slot;
    let head = 0;
    for (let part = 0; part < count; part++) {
      const at = RACE.descriptor + 16 * slot;
      if (table) refer(side, at, writeTable(side, slot, number, false), number);
      else writeBuffer(side, at, number, part);
      halves[(at + 12) >> 1] = number % size;
      const flags = (wrap ? 0x80 : 0x8000) | (table ? 4 : part + 1 < count ? 1 : 0);
      if (part === 0) head = flags;
      else halves[(at + 14) >> 1] = flags;
      if (++slot === size) [slot, wrap] = [0, !wrap];
    }
    held.push({ first, count });
    side.free -= count;
    side.next++;
    Atomics.store(halves, (RACE.descriptor + 16 * first + 14) >> 1, head);
  };
}

/**
 * 2.8.22. Length and id are written before the flags: what a reader sees in between is a state that
 * existed, and not the buffer's. So they are what they were.
 */
function packedDevice(side: Side): () => void {
  const { job: { size }, halves, held } = side;
  let [slot, wrap, done] = [0, true, 0];
  return () => {
    const list = held.shift();
    if (list === undefined) return;
    const at = RACE.descriptor + 16 * slot;
    halves[(at + 12) >> 1] = done++ % size;
    Atomics.store(halves, (at + 14) >> 1, wrap ? 0x8080 : 0);
    for (let n = 0; n < list.count; n++) if (++slot === size) [slot, wrap] = [0, !wrap];
    side.free += list.count;
  };
}

/** Random words at random places, now and then a whole page of them. */
function scribbler({ words, halves }: Side): () => void {
  let state = 1;
  const random = () => state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return () => {
    const value = random() >>> (random() & 31);
    const place = random() % words.length;
    if (random() % 4 === 0) words[place] = value;
    else if (random() % 4 < 2) halves[RACE.descriptor / 2 + 8 * (place % 64) + 7] = value & 0x8087;
    else halves[(RACE.driver + 2) / 2 + (place % 16)] = value;
    if (random() % 65536 === 0) words.fill(value);
  };
}

/** Works in bursts with pauses between them, so that a reader sees it both move and stand. */
function run(job: RaceJob): void {
  const { memory, control, work, size } = job;
  const [halves, words] = [new Uint16Array(memory), new Uint32Array(memory)];
  const side: Side = { job, halves, words, held: [], next: 0, free: size };
  const signals = new Int32Array(control);
  const acts = work === "scribble"
    ? [scribbler(side)]
    : work === "split"
    ? [splitDriver(side), splitDevice(side)]
    : [packedDriver(side), packedDevice(side)];
  let random = 12345;
  while (Atomics.load(signals, 0) === 0) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    for (let n = (random >>> 8) % 24; n >= 0; n--) {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      acts[(random >>> 16) % acts.length]();
    }
    Atomics.add(signals, 1, 1);
    for (let n = (random >>> 12) % 4 === 0 ? 0 : (random >>> 10) % 3000; n > 0; n--) random ^= n;
  }
}

/** In a worker there is someone to listen to; where this is imported for its types, nobody. */
const scope = globalThis as unknown as {
  onmessage?: (event: MessageEvent<RaceJob>) => void;
  postMessage?: (message: unknown) => void;
};

if (scope.postMessage !== undefined) {
  scope.onmessage = ({ data }) => {
    run(data);
    scope.postMessage?.("stopped");
  };
}
