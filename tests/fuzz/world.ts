/**
 * Guest memories to put rings into: for the walker as a `GuestMemory`, for the oracle as plain
 * ranges over the same bytes.
 *
 * @module
 */
import { guestAddress, userAddress } from "../../lib/address.ts";
import type { Backing, CopyResult } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import type { Region } from "../../lib/memory/region.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import type { OracleRange } from "../support/oracle/oracle.ts";
import type { BufferPlan, PartPlan, WorldPlan } from "./world_plan.ts";

/** A stretch of addresses that is all memory, over one or more regions. */
export interface Span {
  readonly start: bigint;
  readonly length: number;
}

/** A guest. */
export interface World {
  readonly plan: WorldPlan;
  readonly memory: GuestMemory;
  readonly oracle: readonly OracleRange[];
  readonly regions: readonly Region[];
  /** Every byte of it can be read. */
  readonly whole: boolean;
  /** Stretches without a gap, by either address. */
  readonly spans: { readonly guest: readonly Span[]; readonly user: readonly Span[] };
  /** The bytes of each buffer. */
  readonly bytes: readonly Uint8Array[];
  /** Writes little-endian numbers of 1, 2, 4 or 8 bytes; nothing where there is no memory. */
  write(space: "guest" | "user", address: bigint, length: number, value: bigint | number): void;
}

/** Makes the memory of a plan, all zeros. */
export function openWorld(plan: WorldPlan): World {
  const buffers = plan.buffers.map(({ size, shared }) =>
    shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size)
  );
  const views = buffers.map((buffer) => new DataView(buffer));
  const backings = plan.buffers.map((one, n) => backingOf(buffers[n], one));
  const regions = plan.parts.map(({ buffer, at, length, guest, user }, n): Region => ({
    guest: guestAddress(guest),
    length: BigInt(length),
    backing: backings[buffer],
    offset: plan.buffers[buffer].base + at,
    access: "ro",
    name: `part ${n}`,
    user: user === null ? null : userAddress(user),
  }));
  const byUser = plan.parts.filter(({ user }) => user !== null);
  return {
    plan,
    memory: new GuestMemory(new RegionTable(regions)),
    oracle: plan.parts.map((part) => rangeOf(part, plan.buffers[part.buffer], views[part.buffer])),
    regions,
    whole: plan.buffers.every(({ bad }) => bad === null),
    spans: {
      guest: spansOf(plan.parts.map(({ guest, length }) => [guest, length])),
      user: spansOf(byUser.map(({ user, length }) => [user as bigint, length])),
    },
    bytes: buffers.map((buffer) => new Uint8Array(buffer)),
    write: (space, address, length, value) =>
      write(plan.parts, views, space, address, length, value),
  };
}

function backingOf(buffer: ArrayBufferLike, { live, base, bad }: BufferPlan): Backing {
  const bytes = new Uint8Array(buffer);
  return {
    length: base + buffer.byteLength,
    label: "fuzz",
    pageSize: 4096,
    copy(offset: number, target: Uint8Array): CopyResult {
      const from = offset - base;
      const failing = bad !== null && from < bad.end && from + target.length > bad.start;
      const stop = failing ? Math.max(bad.start, from) : bytes.length;
      const length = Math.max(0, Math.min(target.length, stop - from));
      target.set(bytes.subarray(from, from + length));
      return { length, errno: length === target.length ? null : failing ? "EIO" : "EFAULT" };
    },
    live: (offset, length) => live && offset + length <= bytes.length ? buffer : null,
    nextData: (offset) =>
      offset < base + bytes.length ? { start: offset, end: base + bytes.length } : null,
  };
}

function rangeOf(
  { guest, user, at, length }: PartPlan,
  { bad }: BufferPlan,
  view: DataView,
): OracleRange {
  return {
    guest,
    length: BigInt(length),
    user,
    whole: bad === null,
    byte: (offset) => {
      const where = at + Number(offset);
      return bad !== null && where >= bad.start && where < bad.end ? null : view.getUint8(where);
    },
  };
}

function spansOf(ranges: readonly (readonly [bigint, number])[]): Span[] {
  const sorted = [...ranges].sort(([a], [b]) => (a < b ? -1 : 1));
  const spans: Span[] = [];
  for (const [start, length] of sorted) {
    const last = spans.at(-1);
    if (last !== undefined && last.start + BigInt(last.length) === start) {
      spans[spans.length - 1] = { start: last.start, length: last.length + length };
    } else spans.push({ start, length });
  }
  return spans;
}

function write(
  parts: readonly PartPlan[],
  views: readonly DataView[],
  space: "guest" | "user",
  address: bigint,
  length: number,
  value: bigint | number,
): void {
  const part = parts.find((one) => {
    const start = one[space];
    return start !== null && address >= start && address < start + BigInt(one.length);
  });
  if (part === undefined) return;
  const into = Number(address - (part[space] as bigint));
  if (into + length <= part.length) {
    return put(views[part.buffer], part.at + into, length, value);
  }
  for (let byte = 0; byte < length; byte++) {
    const one = BigInt.asUintN(8, BigInt(value) >> BigInt(8 * byte));
    write(parts, views, space, address + BigInt(byte), 1, one);
  }
}

function put(view: DataView, at: number, length: number, value: bigint | number): void {
  if (length === 8) view.setBigUint64(at, BigInt(value), true);
  else if (length === 4) view.setUint32(at, Number(value), true);
  else if (length === 2) view.setUint16(at, Number(value), true);
  else view.setUint8(at, Number(value));
}
