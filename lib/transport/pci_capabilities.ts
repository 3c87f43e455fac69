/**
 * Virtio's vendor-specific PCI capabilities: virtio 1.4, 4.1.4. The configuration space is the
 * device's, so it may say anything: every step is bounded, and what is wrong becomes a note.
 *
 * @module
 */
import { hex } from "../address.ts";
import type { PciBar } from "./pci_bars.ts";
import { type SharedRegions, usableRegions } from "./shared_region.ts";

/** cfg_type values (4.1.4). */
export const CFG_TYPE = {
  common: 1,
  notify: 2,
  isr: 3,
  device: 4,
  pci: 5,
  sharedMemory: 8,
  vendor: 9,
} as const;

const NAMES: Readonly<Record<number, string>> = {
  1: "common",
  2: "notify",
  3: "isr",
  4: "device",
  5: "pci",
  8: "shared-memory",
  9: "vendor",
};

/** A virtio capability. */
export interface VirtioCapability {
  /** Byte offset in configuration space. */
  readonly at: number;
  readonly type: number;
  /** `common`, `notify` …; `reserved(7)` for what the standard does not know. */
  readonly name: string;
  /** BAR, and the range in it. Meaningless for `pci` (a window) and `vendor`. */
  readonly bar: number;
  readonly offset: bigint;
  readonly length: bigint;
  /** Shared memory id. */
  readonly id: number;
  /** notify_off_multiplier; null for other types. */
  readonly multiplier: number | null;
  /** Owner of a vendor capability; null for other types. */
  readonly vendor: number | null;
  /** Why a driver must not use it; null where it may. */
  readonly problem: string | null;
}

/** What a capability list holds. */
export interface CapabilityList {
  readonly capabilities: readonly VirtioCapability[];
  /** What is wrong with the list itself. */
  readonly notes: readonly string[];
}

const STATUS = 0x06;
const STATUS_CAPABILITIES = 0x10;
const POINTER = 0x34;
const HEADER_LENGTH = 0x40;
const CAP_VENDOR = 0x09;
/** A capability takes 4 bytes at least: more do not fit behind the header. */
const MAX_CAPABILITIES = (256 - HEADER_LENGTH) / 4;

/**
 * Reads the capability list. `config` is what could be read of configuration space: 64 bytes without
 * privileges, where the list mostly lies beyond. `bars` are by index. Never throws.
 */
export function readCapabilities(
  config: Uint8Array,
  bars: readonly (PciBar | null)[],
): CapabilityList {
  const capabilities: VirtioCapability[] = [];
  const notes: string[] = [];
  if (config.length < HEADER_LENGTH) {
    return { capabilities, notes: [`only ${config.length} bytes of configuration space`] };
  }
  const view = new DataView(config.buffer, config.byteOffset, Math.min(config.length, 256));
  if ((view.getUint16(STATUS, true) & STATUS_CAPABILITIES) === 0) return { capabilities, notes };
  const visited = new Set<number>();
  let at = view.getUint8(POINTER) & ~3;
  while (at !== 0) {
    const stop = endOfWalk(view, at, visited);
    if (stop !== null) {
      notes.push(stop);
      break;
    }
    visited.add(at);
    if (view.getUint8(at) === CAP_VENDOR) capabilities.push(decode(view, at, bars));
    at = view.getUint8(at + 1) & ~3;
  }
  return { capabilities, notes };
}

function endOfWalk(view: DataView, at: number, visited: ReadonlySet<number>): string | null {
  if (visited.has(at)) return `capability list loops back to ${hex(at)}`;
  if (visited.size >= MAX_CAPABILITIES) return "capability list is longer than its space";
  if (at < HEADER_LENGTH) return `capability pointer ${hex(at)} is inside the header`;
  if (at + 4 <= view.byteLength) return null;
  return view.byteLength <= HEADER_LENGTH
    ? "capabilities can not be read: only the first 64 bytes of configuration space are readable " +
      "without privileges"
    : `capability at ${hex(at)} is outside the configuration space`;
}

function decode(
  view: DataView,
  at: number,
  bars: readonly (PciBar | null)[],
): VirtioCapability {
  const said = view.getUint8(at + 2);
  const room = Math.min(said, view.byteLength - at);
  const type = view.getUint8(at + 3);
  const u8 = (offset: number) => offset < room ? view.getUint8(at + offset) : 0;
  const u16 = (offset: number) => offset + 2 <= room ? view.getUint16(at + offset, true) : 0;
  const u32 = (offset: number) => offset + 4 <= room ? view.getUint32(at + offset, true) : 0;
  const wide = type === CFG_TYPE.sharedMemory;
  const high = (offset: number) => wide ? BigInt(u32(offset)) << 32n : 0n;
  const fields = {
    at,
    type,
    name: NAMES[type] ?? `reserved(${type})`,
    bar: u8(4),
    id: u8(5),
    offset: BigInt(u32(8)) | high(16),
    length: BigInt(u32(12)) | high(20),
    multiplier: type === CFG_TYPE.notify ? u32(16) : null,
    vendor: type === CFG_TYPE.vendor ? u16(4) : null,
  };
  return { ...fields, problem: lengthProblem(type, said, room) ?? problemOf(fields, bars) };
}

/** `said` is cap_len, `room` what of it can be there. */
function lengthProblem(type: number, said: number, room: number): string | null {
  if (said < minimumLength(type)) return `cap_len ${said} is too short`;
  return room < minimumLength(type) ? "it is cut off by the end of what can be read" : null;
}

/** Extra fields behind struct virtio_pci_cap; larger values of cap_len are allowed (4.1.4.1). */
function minimumLength(type: number): number {
  if (type === CFG_TYPE.vendor) return 8;
  if (type === CFG_TYPE.notify || type === CFG_TYPE.pci) return 20;
  return type === CFG_TYPE.sharedMemory ? 24 : 16;
}

function problemOf(
  capability: Omit<VirtioCapability, "problem">,
  bars: readonly (PciBar | null)[],
): string | null {
  const { type, bar, offset, length, multiplier } = capability;
  if (NAMES[type] === undefined) return "reserved type";
  if (type === CFG_TYPE.pci || type === CFG_TYPE.vendor) return null;
  if (bar > 5) return `BAR ${bar} is reserved`;
  const found = bars[bar] ?? null;
  if (found === null) return `BAR ${bar} is not there`;
  if (offset + length > found.length) {
    return `${hex(offset)}+${hex(length)} is past the end of BAR ${bar} (${hex(found.length)})`;
  }
  const aligned = type === CFG_TYPE.common || type === CFG_TYPE.device;
  if (aligned && offset % 4n !== 0n) return `offset ${hex(offset)} is not a multiple of 4`;
  return multiplier !== null && !isMultiplier(multiplier)
    ? `notify_off_multiplier ${multiplier} is neither 0 nor an even power of 2`
    : null;
}

/** 0, or a power of two that is even (4.1.4.4.1). */
function isMultiplier(value: number): boolean {
  return value === 0 || (value > 1 && (value & (value - 1)) === 0);
}

/** The first capability of a type that can be used: the standard's order of preference. */
export function firstUsable(list: CapabilityList, type: number): VirtioCapability | null {
  const found = list.capabilities.find((one) => one.type === type && one.problem === null);
  return found ?? null;
}

/** Shared memory regions of the list (4.1.4.7). */
export function sharedMemory(list: CapabilityList): SharedRegions {
  const all = list.capabilities.filter(({ type }) => type === CFG_TYPE.sharedMemory);
  const { regions, notes } = usableRegions(
    all.filter(({ problem }) => problem === null).map(({ id, length, bar, offset }) => ({
      id,
      length,
      place: { kind: "bar", bar, offset },
    })),
  );
  const bad = all.filter(({ problem }) => problem !== null)
    .map(({ id, problem }) => `shared memory region ${id}: ${problem}`);
  return { regions, notes: [...bad, ...notes] };
}
