/**
 * The driver's side of a split queue: virtio 1.4, 2.7.13 and 2.7.14.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "./config.ts";
import { checkSegments, oldestUpTo, writeTable } from "./driver_buffers.ts";
import type { AddOptions, DriverQueue, TableArea, UsedBuffer } from "./driver_queue.ts";
import { putSegment, type QueueAreas, type Segment } from "./queue_areas.ts";
import { finding } from "./sections.ts";
import { AVAIL, DESC_F, DESCRIPTOR_LENGTH, needEvent, USED } from "./spec.ts";

/** See {@linkcode DriverQueue}. */
export class SplitDriver<T> implements DriverQueue<T> {
  readonly #areas: QueueAreas;
  /** Free descriptors. Taken from the front in order where IN_ORDER asks for that, else a stack. */
  readonly #free: number[];
  /** What is in flight: token and descriptors by head. */
  readonly #held = new Map<number, { token: T; descriptors: number[] }>();
  readonly #ready: UsedBuffer<T>[] = [];
  readonly #words = new Uint32Array(4);
  readonly #element = new Uint32Array(2);
  #available: number;
  #published: number;
  #used: number;
  #broken: Finding | null = null;

  constructor(
    readonly memory: WritableGuestMemory,
    readonly config: RingConfig,
    areas: QueueAreas,
    readonly tables: TableArea | null,
  ) {
    this.#areas = areas;
    this.#free = Array.from({ length: areas.size }, (_, index) => index);
    if (!areas.inOrder) this.#free.reverse();
    this.#available = this.#published = this.#used = config.start?.index ?? 0;
    [areas.descriptor, areas.driver, areas.device].forEach((area) => area.clear());
    areas.driver.store16(AVAIL.IDX, this.#available);
    areas.device.store16(USED.IDX, this.#used);
    this.enableCalls();
  }

  get free(): number {
    return this.#free.length;
  }

  get inFlight(): number {
    return this.#held.size + this.#ready.length;
  }

  get broken(): Finding | null {
    return this.#broken;
  }

  add(segments: readonly Segment[], token: T, { indirect = false }: AddOptions = {}): boolean {
    checkSegments(segments, this.#areas, this.tables, indirect);
    const needed = indirect ? 1 : segments.length;
    if (needed > this.#free.length) return false;
    const descriptors = this.#take(needed);
    if (indirect) this.#writeIndirect(descriptors[0], segments);
    else this.#writeChain(descriptors, segments);
    this.#held.set(descriptors[0], { token, descriptors });
    const { size, driver } = this.#areas;
    driver.store16(AVAIL.RING + 2 * (this.#available & (size - 1)), descriptors[0]);
    this.#available = (this.#available + 1) & 0xffff;
    return true;
  }

  publish(): boolean {
    const [old, now] = [this.#published, this.#available];
    if (old === now) return false;
    const { driver, device, eventIndex } = this.#areas;
    driver.store16(AVAIL.IDX, now);
    this.#published = now;
    if (eventIndex) return needEvent(device.load16(this.#eventOffset()), now, old);
    return (device.load16(USED.FLAGS) & USED.F_NO_NOTIFY) === 0;
  }

  reap(): UsedBuffer<T> | null {
    if (this.#ready.length === 0 && this.#broken === null) this.#fetch();
    return this.#ready.shift() ?? null;
  }

  enableCalls(): boolean {
    const { driver, device, eventIndex } = this.#areas;
    if (eventIndex) driver.store16(this.#usedEventOffset(), this.#used);
    else driver.store16(AVAIL.FLAGS, 0);
    return device.load16(USED.IDX) !== this.#used;
  }

  /** With EVENT_IDX flags stay 0 (2.7.7.1): the event index just stays behind. */
  disableCalls(): void {
    const { driver, eventIndex } = this.#areas;
    if (eventIndex) driver.store16(this.#usedEventOffset(), (this.#used - 1) & 0xffff);
    else driver.store16(AVAIL.FLAGS, AVAIL.F_NO_INTERRUPT);
  }

  #take(count: number): number[] {
    if (this.#areas.inOrder) return this.#free.splice(0, count);
    return this.#free.splice(this.#free.length - count).reverse();
  }

  #writeChain(descriptors: readonly number[], segments: readonly Segment[]): void {
    segments.forEach((segment, n) => {
      const flags = segment.writable ? DESC_F.WRITE : 0;
      const next = descriptors[n + 1];
      this.#write(descriptors[n], segment, next === undefined ? flags : flags | DESC_F.NEXT, next);
    });
  }

  #writeIndirect(index: number, segments: readonly Segment[]): void {
    const table = writeTable(this.memory, this.tables as TableArea, index, segments, true);
    this.#write(index, table, DESC_F.INDIRECT, 0);
  }

  #write(index: number, segment: Segment, flags: number, next = 0): void {
    putSegment(this.#words, segment);
    this.#words[3] = flags | next << 16;
    this.#areas.descriptor.storeWords(index * DESCRIPTOR_LENGTH, this.#words);
  }

  /** Takes over what one used element says; with IN_ORDER that may be a batch (2.7.9). */
  #fetch(): void {
    const { size, device, inOrder } = this.#areas;
    const moved = (device.load16(USED.IDX) - this.#used) & 0xffff;
    if (moved === 0) return;
    if (moved > this.#held.size) {
      return this.#fail("used-ahead", `${moved} used, ${this.#held.size} in flight`);
    }
    const slot = this.#used & (size - 1);
    device.loadWords(USED.RING + USED.ELEMENT * slot, this.#element);
    const [id, written] = this.#element;
    if (!this.#held.has(id)) return this.#fail("id-out-of-range", `id ${id} is not in flight`);
    for (const head of inOrder ? oldestUpTo(this.#held, id) : [id]) {
      this.#release(head, head === id ? written : null);
    }
  }

  #release(head: number, written: number | null): void {
    const { token, descriptors } = this.#held.get(head)!;
    this.#held.delete(head);
    this.#free.push(...descriptors);
    this.#used = (this.#used + 1) & 0xffff;
    this.#ready.push({ token, written });
  }

  #fail(code: "used-ahead" | "id-out-of-range", text: string): void {
    this.#broken = finding("split", code, "used ring", text);
  }

  #usedEventOffset(): number {
    return AVAIL.RING + 2 * this.#areas.size;
  }

  #eventOffset(): number {
    return USED.RING + USED.ELEMENT * this.#areas.size;
  }
}
