/**
 * The device's side of a split queue: virtio 1.4, 2.7.6 to 2.7.10.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "./config.ts";
import { ChainCollector } from "./device_chain.ts";
import type { DevicePosition, DeviceQueue, TakenBuffer } from "./device_queue.ts";
import { HeldBuffers } from "./held_buffers.ts";
import type { QueueAreas } from "./queue_areas.ts";
import { finding } from "./sections.ts";
import { AVAIL, DESC_F, DESCRIPTOR_LENGTH, needEvent, USED } from "./spec.ts";

/** See {@linkcode DeviceQueue}. */
export class SplitDevice implements DeviceQueue {
  readonly #areas: QueueAreas;
  readonly #held: HeldBuffers;
  readonly #words = new Uint32Array(4);
  readonly #element = new Uint32Array(2);
  /** Next index of the available ring to take. */
  #next: number;
  #used: number;
  #published: number;
  #broken: Finding | null = null;

  constructor(
    readonly memory: WritableGuestMemory,
    readonly config: RingConfig,
    areas: QueueAreas,
  ) {
    this.#areas = areas;
    this.#held = new HeldBuffers(areas.inOrder);
    this.#next = config.start?.index ?? 0;
    this.#used = this.#published = config.used?.index ?? this.#next;
  }

  get inFlight(): number {
    return this.#held.size;
  }

  get broken(): Finding | null {
    return this.#broken;
  }

  get position(): DevicePosition {
    const at = (index: number) => ({ index, wrap: true });
    return { available: at(this.#next), used: at(this.#used) };
  }

  take(): TakenBuffer | null {
    if (this.#broken !== null || !this.#pending()) return null;
    const { size, driver } = this.#areas;
    const slot = this.#next & (size - 1);
    const head = driver.load16(AVAIL.RING + 2 * slot);
    if (head >= size) return this.#fail("head-out-of-range", `slot ${slot} has head ${head}`);
    if (this.#held.has(head)) return this.#fail("duplicate-head", `head ${head} is held already`);
    const buffer = this.#collect(head);
    this.#held.hold(buffer);
    this.#next = (this.#next + 1) & 0xffff;
    return buffer;
  }

  giveBack(buffer: TakenBuffer, written: number): void {
    const { size, device } = this.#areas;
    for (const back of this.#held.release(buffer, written)) {
      this.#element[0] = back.buffer.id;
      this.#element[1] = back.written;
      device.storeWords(USED.RING + USED.ELEMENT * (this.#used & (size - 1)), this.#element);
      this.#used = (this.#used + 1) & 0xffff;
    }
  }

  publish(): boolean {
    const [old, now] = [this.#published, this.#used];
    if (old === now) return false;
    const { driver, device, eventIndex, size } = this.#areas;
    device.store16(USED.IDX, now);
    this.#published = now;
    if (eventIndex) return needEvent(driver.load16(AVAIL.RING + 2 * size), now, old);
    return (driver.load16(AVAIL.FLAGS) & AVAIL.F_NO_INTERRUPT) === 0;
  }

  enableKicks(): boolean {
    const { device, driver, eventIndex } = this.#areas;
    if (eventIndex) device.store16(this.#availEventOffset(), this.#next);
    else device.store16(USED.FLAGS, 0);
    return driver.load16(AVAIL.IDX) !== this.#next;
  }

  /** With EVENT_IDX flags stay 0 (2.7.10): the event index just stays behind. */
  disableKicks(): void {
    const { device, eventIndex } = this.#areas;
    if (eventIndex) device.store16(this.#availEventOffset(), (this.#next - 1) & 0xffff);
    else device.store16(USED.FLAGS, USED.F_NO_NOTIFY);
  }

  #pending(): boolean {
    const { size, driver } = this.#areas;
    const index = driver.load16(AVAIL.IDX);
    const waiting = (index - this.#next) & 0xffff;
    if (waiting > size) {
      this.#fail("avail-jump", `index ${index}, expected ${this.#next} + ${size}`);
    }
    return waiting > 0 && waiting <= size;
  }

  /** A chain of more descriptors than the table has comes back to one of its own. */
  #collect(head: number): TakenBuffer {
    const { size, descriptor, indirect } = this.#areas;
    const chain = new ChainCollector(this.memory, "split");
    let index = head;
    for (let count = 1; count <= size; count++) {
      descriptor.loadWords(index * DESCRIPTOR_LENGTH, this.#words);
      const [flags, next] = [this.#words[3] & 0xffff, this.#words[3] >>> 16];
      const place = `descriptor ${index}`;
      const more = (flags & DESC_F.NEXT) !== 0;
      const table = (flags & DESC_F.INDIRECT) !== 0;
      if (table) chain.addTable(this.#words, indirect, more, place);
      else chain.add(this.#words, flags, place);
      if (table || !more || !chain.good) return chain.done(head, count);
      if (next >= size) {
        chain.fault("next-out-of-range", place, `next is ${next}`);
        return chain.done(head, count);
      }
      index = next;
    }
    chain.fault("loop", `descriptor ${index}`, `the chain of head ${head} has no end`);
    return chain.done(head, size);
  }

  #fail(code: "avail-jump" | "head-out-of-range" | "duplicate-head", text: string): null {
    this.#broken = finding("split", code, "available ring", text);
    return null;
  }

  #availEventOffset(): number {
    return USED.RING + USED.ELEMENT * this.#areas.size;
  }
}
