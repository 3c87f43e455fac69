/**
 * Rings drawn by hand: one page of memory per area, written field by field from the standard's
 * structs (virtio 1.4, 2.7 and 2.8), so that a test shows what it reads.
 *
 * @module
 */
import { guestAddress, userAddress } from "../../lib/address.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import type { RingConfig } from "../../lib/ring/config.ts";

/** Where everything lies. Buffers start at 0x10000. */
export const AT = {
  descriptor: 0x1000,
  driver: 0x3000,
  device: 0x5000,
  tables: 0x8000,
  buffers: 0x10000,
};

/** Size of the memory in bytes: one region at guest address 0, at user address 0x7f0000000000. */
export const MEMORY = 0x40000;
export const USER_BASE = 0x7f0000000000n;

/** A descriptor of a split ring or table. */
export interface Descriptor {
  readonly address: number | bigint;
  readonly length: number;
  /** NEXT 1, WRITE 2, INDIRECT 4. */
  readonly flags?: number;
  readonly next?: number;
}

/** A descriptor of a packed ring. AVAIL is 0x80, USED 0x8000. */
export interface PackedDescriptor {
  readonly address?: number | bigint;
  readonly length?: number;
  readonly id?: number;
  readonly flags: number;
}

/** Memory with one ring in it, to write and to read. */
export class DrawnRing {
  readonly buffer = new ArrayBuffer(MEMORY);
  readonly view = new DataView(this.buffer);
  readonly memory: GuestMemory;

  constructor(readonly config: RingConfig) {
    const region = {
      guest: guestAddress(0n),
      length: BigInt(MEMORY),
      backing: new BufferBacking(this.buffer),
      offset: 0,
      access: "ro" as const,
      name: "drawn",
      user: userAddress(USER_BASE),
    };
    this.memory = new GuestMemory(new RegionTable([region]));
  }

  /** Writes a split descriptor: of the ring, or of the table at `table`. */
  descriptor(
    index: number,
    { address, length, flags = 0, next = 0 }: Descriptor,
    table = AT.descriptor,
  ): this {
    const at = table + 16 * index;
    this.view.setBigUint64(at, BigInt(address), true);
    this.view.setUint32(at + 8, length, true);
    this.view.setUint16(at + 12, flags, true);
    this.view.setUint16(at + 14, next, true);
    return this;
  }

  /** Writes a packed descriptor. */
  slot(
    index: number,
    { address = AT.buffers, length = 64, id = 0, flags }: PackedDescriptor,
  ): this {
    const at = AT.descriptor + 16 * index;
    this.view.setBigUint64(at, BigInt(address), true);
    this.view.setUint32(at + 8, length, true);
    this.view.setUint16(at + 12, id, true);
    this.view.setUint16(at + 14, flags, true);
    return this;
  }

  /** Writes heads into the available ring from free-running index `from` on, and the index after them. */
  available(from: number, heads: readonly number[], flags = 0): this {
    heads.forEach((head, n) => {
      const slot = ((from + n) & 0xffff) % this.config.size;
      this.view.setUint16(AT.driver + 4 + 2 * slot, head, true);
    });
    this.view.setUint16(AT.driver, flags, true);
    this.view.setUint16(AT.driver + 2, (from + heads.length) & 0xffff, true);
    return this;
  }

  /** Writes elements into the used ring, and the index after them. */
  used(from: number, elements: readonly { id: number; length: number }[], flags = 0): this {
    elements.forEach(({ id, length }, n) => {
      const at = AT.device + 4 + 8 * (((from + n) & 0xffff) % this.config.size);
      this.view.setUint32(at, id, true);
      this.view.setUint32(at + 4, length, true);
    });
    this.view.setUint16(AT.device, flags, true);
    this.view.setUint16(AT.device + 2, (from + elements.length) & 0xffff, true);
    return this;
  }

  /** Writes both event indices of a split ring. */
  events(usedEvent: number, availEvent: number): this {
    this.view.setUint16(AT.driver + 4 + 2 * this.config.size, usedEvent, true);
    this.view.setUint16(AT.device + 4 + 8 * this.config.size, availEvent, true);
    return this;
  }
}

/** Configuration of a drawn ring; version 1 and indirect descriptors unless `more` says otherwise. */
export function drawnConfig(
  format: "split" | "packed",
  size: number,
  more: Partial<RingConfig> = {},
): RingConfig {
  return {
    format,
    size,
    descriptor: BigInt(AT.descriptor),
    driver: BigInt(AT.driver),
    device: BigInt(AT.device),
    addressSpace: "guest",
    features: (1n << 32n) | (1n << 28n),
    ...more,
  };
}
