/**
 * The device's side of a packed queue: virtio 1.4, 2.8.1 to 2.8.14.
 *
 * @module
 */
import type { Finding, FindingCode } from "../finding.ts";
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "./config.ts";
import { ChainCollector } from "./device_chain.ts";
import type { DevicePosition, DeviceQueue, TakenBuffer } from "./device_queue.ts";
import { HeldBuffers } from "./held_buffers.ts";
import { PackedCursor, wantsEvent, writeEvent } from "./packed_cursor.ts";
import type { QueueAreas } from "./queue_areas.ts";
import { finding } from "./sections.ts";
import { DESC_F, DESCRIPTOR_LENGTH, EVENT } from "./spec.ts";

/** Offsets of the length, the buffer id and the flags in a packed descriptor: 2.8.13. */
const [LENGTH, ID, FLAGS] = [8, 12, 14];

/** Both flags that tell whose a descriptor is. */
const OWNER = DESC_F.AVAIL | DESC_F.USED;

/** A used descriptor that is still to be written. */
interface UsedSlot {
  readonly slot: number;
  readonly id: number;
  readonly written: number;
  readonly flags: number;
}

/** See {@linkcode DeviceQueue}. */
export class PackedDevice implements DeviceQueue {
  readonly #areas: QueueAreas;
  readonly #held: HeldBuffers;
  readonly #words = new Uint32Array(4);
  readonly #length = new Uint32Array(1);
  readonly #available: PackedCursor;
  readonly #used: PackedCursor;
  readonly #unpublished: UsedSlot[] = [];
  /** Slots that the used position moved on since the last publish. */
  #moved = 0;
  #broken: Finding | null = null;

  constructor(
    readonly memory: WritableGuestMemory,
    readonly config: RingConfig,
    areas: QueueAreas,
  ) {
    this.#areas = areas;
    this.#held = new HeldBuffers(areas.inOrder);
    this.#available = new PackedCursor(areas.size, config.start);
    this.#used = new PackedCursor(areas.size, config.used ?? config.start);
  }

  get inFlight(): number {
    return this.#held.size;
  }

  get broken(): Finding | null {
    return this.#broken;
  }

  get position(): DevicePosition {
    return { available: this.#available.position, used: this.#used.position };
  }

  take(): TakenBuffer | null {
    if (this.#broken !== null || !this.#pending()) return null;
    const buffer = this.#collect();
    if (buffer === null) return null;
    if (this.#held.has(buffer.id)) {
      return this.#fail("duplicate-id", `buffer id ${buffer.id} is held already`);
    }
    this.#held.hold(buffer);
    this.#available.advance(buffer.count);
    return buffer;
  }

  giveBack(buffer: TakenBuffer, written: number): void {
    for (const back of this.#held.release(buffer, written)) {
      // WRITE says that the length means something (2.8.8).
      const flags = this.#used.usedFlags | (back.buffer.writable > 0 ? DESC_F.WRITE : 0);
      const { id } = back.buffer;
      this.#unpublished.push({ slot: this.#used.slot, id, written: back.written, flags });
      this.#used.advance(back.buffer.count);
      this.#moved += back.buffer.count;
    }
  }

  publish(): boolean {
    if (this.#moved === 0) return false;
    for (const one of this.#unpublished) this.#write(one);
    const moved = this.#moved;
    this.#unpublished.length = this.#moved = 0;
    return wantsEvent(this.#areas.driver, this.#areas.eventIndex, this.#used, moved);
  }

  enableKicks(): boolean {
    writeEvent(this.#areas.device, this.#areas.eventIndex, this.#available);
    return this.#pending();
  }

  disableKicks(): void {
    this.#areas.device.store16(2, EVENT.DISABLE);
  }

  /**
   * Length and id at once before the flags, and not when the buffer is given back: until the flags
   * are there, whoever looks on takes the slot for an available one with an odd length.
   */
  #write({ slot, id, written, flags }: UsedSlot): void {
    const { descriptor } = this.#areas;
    this.#length[0] = written;
    descriptor.storeWords(slot * DESCRIPTOR_LENGTH + LENGTH, this.#length);
    descriptor.store16(slot * DESCRIPTOR_LENGTH + ID, id);
    descriptor.store16(slot * DESCRIPTOR_LENGTH + FLAGS, flags);
  }

  #pending(): boolean {
    const { slot, availableFlags } = this.#available;
    const flags = this.#areas.descriptor.load16(slot * DESCRIPTOR_LENGTH + FLAGS);
    return (flags & OWNER) === availableFlags;
  }

  /**
   * The list at the available position. Its id is the last descriptor's (2.8.6). A fault does not end
   * the reading of the list: where the next one begins must be known. Slots that are held end it.
   */
  #collect(): TakenBuffer | null {
    const { size, descriptor, indirect } = this.#areas;
    const chain = new ChainCollector(this.memory, "packed");
    const first = this.#available.slot;
    const free = size - this.#held.descriptors;
    for (let count = 1; count <= free; count++) {
      const slot = (first + count - 1) % size;
      descriptor.loadWords(slot * DESCRIPTOR_LENGTH, this.#words);
      const [id, flags] = [this.#words[3] & 0xffff, this.#words[3] >>> 16];
      const more = (flags & DESC_F.NEXT) !== 0;
      if (chain.good) this.#add(chain, flags, more || count > 1, indirect, `slot ${slot}`);
      if (more) continue;
      if (id < size) return chain.done(id, count);
      return this.#fail("id-out-of-range", `slot ${slot} has buffer id ${id}`);
    }
    return this.#fail("chain-too-long", `the list at slot ${first} has no end`);
  }

  #add(
    chain: ChainCollector,
    flags: number,
    inList: boolean,
    indirect: boolean,
    place: string,
  ): void {
    if ((flags & DESC_F.INDIRECT) === 0) chain.add(this.#words, flags, place);
    else chain.addTable(this.#words, indirect, inList, place);
  }

  #fail(code: FindingCode, text: string): null {
    this.#broken = finding("packed", code, `slot ${this.#available.slot}`, text);
    return null;
  }
}
