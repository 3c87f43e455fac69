/**
 * The driver's side of a packed queue: virtio 1.4, 2.8.21 and 2.8.22.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "./config.ts";
import { checkSegments, oldestUpTo, writeTable } from "./driver_buffers.ts";
import type { AddOptions, DriverQueue, TableArea, UsedBuffer } from "./driver_queue.ts";
import { PackedCursor, wantsEvent, writeEvent } from "./packed_cursor.ts";
import { putSegment, type QueueAreas, type Segment } from "./queue_areas.ts";
import { finding } from "./sections.ts";
import { DESC_F, DESCRIPTOR_LENGTH, EVENT } from "./spec.ts";

/** Offset of the flags in a packed descriptor: 2.8.13. */
const FLAGS = 14;

/** See {@linkcode DriverQueue}. */
export class PackedDriver<T> implements DriverQueue<T> {
  readonly #areas: QueueAreas;
  readonly #free: number[];
  /** What is in flight: token and length of the list by buffer id. */
  readonly #held = new Map<number, { token: T; count: number }>();
  readonly #ready: UsedBuffer<T>[] = [];
  /** First descriptors whose flags are still to be stored, with their flags. */
  readonly #unpublished: { slot: number; flags: number }[] = [];
  readonly #words = new Uint32Array(4);
  readonly #available: PackedCursor;
  readonly #used: PackedCursor;
  #slots: number;
  #added = 0;
  #broken: Finding | null = null;

  constructor(
    readonly memory: WritableGuestMemory,
    readonly config: RingConfig,
    areas: QueueAreas,
    readonly tables: TableArea | null,
  ) {
    const { start } = config;
    if (start !== undefined && (start.index !== 0 || !start.wrap)) {
      throw new RangeError("the driver's side of a packed ring starts at slot 0, wrap counter 1");
    }
    this.#areas = areas;
    this.#slots = areas.size;
    this.#free = Array.from({ length: areas.size }, (_, index) => areas.size - 1 - index);
    this.#available = new PackedCursor(areas.size);
    this.#used = new PackedCursor(areas.size);
    [areas.descriptor, areas.driver, areas.device].forEach((area) => area.clear());
    this.enableCalls();
  }

  get free(): number {
    return this.#slots;
  }

  get inFlight(): number {
    return this.#held.size + this.#ready.length;
  }

  get broken(): Finding | null {
    return this.#broken;
  }

  add(segments: readonly Segment[], token: T, { indirect = false }: AddOptions = {}): boolean {
    checkSegments(segments, this.#areas, this.tables, indirect);
    const count = indirect ? 1 : segments.length;
    if (count > this.#slots) return false;
    const id = this.#free.pop()!;
    this.#held.set(id, { token, count });
    this.#slots -= count;
    this.#added += count;
    if (indirect) {
      const table = writeTable(this.memory, this.tables!, id, segments, false);
      this.#write([table], id, DESC_F.INDIRECT);
    } else this.#write(segments, id, 0);
    return true;
  }

  publish(): boolean {
    if (this.#added === 0) return false;
    const { descriptor, device, eventIndex } = this.#areas;
    for (const { slot, flags } of this.#unpublished) {
      descriptor.store16(slot * DESCRIPTOR_LENGTH + FLAGS, flags);
    }
    const moved = this.#added;
    this.#unpublished.length = this.#added = 0;
    return wantsEvent(device, eventIndex, this.#available, moved);
  }

  reap(): UsedBuffer<T> | null {
    if (this.#ready.length === 0 && this.#broken === null) this.#fetch();
    return this.#ready.shift() ?? null;
  }

  enableCalls(): boolean {
    writeEvent(this.#areas.driver, this.#areas.eventIndex, this.#used);
    return this.#isUsed();
  }

  disableCalls(): void {
    this.#areas.driver.store16(2, EVENT.DISABLE);
  }

  /** All descriptors of a list but the flags of its first, which publish it (2.8.21). */
  #write(segments: readonly Segment[], id: number, extra: number): void {
    const { descriptor } = this.#areas;
    segments.forEach((segment, n) => {
      const { slot } = this.#available;
      const direction = segment.writable ? DESC_F.WRITE : 0;
      const next = n + 1 < segments.length ? DESC_F.NEXT : 0;
      const flags = direction | next | extra | this.#available.availableFlags;
      putSegment(this.#words, segment);
      if (n === 0) this.#unpublished.push({ slot, flags });
      const kept = n === 0 ? descriptor.load16(slot * DESCRIPTOR_LENGTH + FLAGS) : flags;
      this.#words[3] = id | kept << 16;
      descriptor.storeWords(slot * DESCRIPTOR_LENGTH, this.#words);
      this.#available.advance(1);
    });
  }

  #isUsed(): boolean {
    const { slot, usedFlags } = this.#used;
    const flags = this.#areas.descriptor.load16(slot * DESCRIPTOR_LENGTH + FLAGS);
    return (flags & (DESC_F.AVAIL | DESC_F.USED)) === usedFlags;
  }

  #fetch(): void {
    if (!this.#isUsed()) return;
    const { slot } = this.#used;
    this.#areas.descriptor.loadWords(slot * DESCRIPTOR_LENGTH, this.#words);
    const id = this.#words[3] & 0xffff;
    const writes = (this.#words[3] >>> 16 & DESC_F.WRITE) !== 0;
    if (!this.#held.has(id)) return this.#fail(slot, `id ${id} is not in flight`);
    for (const one of this.#areas.inOrder ? oldestUpTo(this.#held, id) : [id]) {
      this.#release(one, one === id ? writes ? this.#words[2] : 0 : null);
    }
  }

  #release(id: number, written: number | null): void {
    const { token, count } = this.#held.get(id)!;
    this.#held.delete(id);
    this.#free.push(id);
    this.#slots += count;
    this.#used.advance(count);
    this.#ready.push({ token, written });
  }

  #fail(slot: number, text: string): void {
    this.#broken = finding("packed", "id-out-of-range", `slot ${slot}`, text);
  }
}
