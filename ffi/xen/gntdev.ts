/**
 * /dev/xen/gntdev: mapping the grants of other domains.
 *
 * @module
 */
import { errnoCode, isErrno } from "../errno.ts";
import type { Sys } from "../sys.ts";
import { openXenDevice, type XenDevice } from "./device.ts";
import { type Frames, ownFrames, ownWritableFrames, type WritableFrames } from "./frames.ts";
import {
  forget,
  type GrantArea,
  type GrantContext,
  mapTogether,
  probeGrants,
} from "./grant_batch.ts";
import {
  FRAME_SIZE,
  GNTDEV_GET_OFFSET_FOR_VADDR,
  UNMAP_NOTIFY,
  UNMAP_NOTIFY_ACTION,
} from "./layout.ts";

/** Why a reference could not be mapped. */
export type GrantFault =
  /** Free, or past the end of the domain's grant table. */
  | "bad reference"
  /** No such domain. */
  | "bad domain"
  /** Granted, but not to this domain. */
  | "not granted to this domain"
  /** Granted for reading, and writing was asked for. */
  | "read-only grant"
  /** The kernel has no grant copy to ask with, or Xen gave another reason. */
  | "refused";

/** What the kernel or Xen do when a mapping goes away, however the process ends. */
export interface UnmapNotice {
  /** Writes 0 to this byte of the mapping; needs a writable mapping. */
  readonly clearByte: number | null;
  /** Sends an event on this local port. */
  readonly port: number | null;
}

/** Mapped grants: frame `i` is reference `i` of the list. */
export interface Grants extends Frames {
  /** Why reference `index` of the list is not mapped; null where it is. */
  faultOf(index: number): GrantFault | null;
  /** Arms what happens at unmap, on the first mapped reference. Throws where none is mapped. */
  noticeUnmap(notice: UnmapNotice): void;
}

/** The same, writable. */
export interface WritableGrants extends Grants, WritableFrames {}

/** An open gntdev. */
export interface Gntdev extends Disposable {
  /**
   * Maps references of one domain, read-only, in as few calls as the kernel takes. Those that can not
   * be mapped are marked, each with its reason. Throws `SyscallError` for what is no reference's
   * fault: ENOMEM, EPERM.
   */
  mapGrants(domain: number, refs: readonly number[]): Grants;
  /** The same, writable. Needs a gntdev opened for writing. */
  mapWritableGrants(domain: number, refs: readonly number[]): WritableGrants;
  /** What Xen says of each reference without mapping it; null where the kernel can not ask. */
  probe(domain: number, refs: readonly number[]): (GrantFault | null)[] | null;
  /** Offset and pages of the mapping at an address (IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR). */
  offsetOf(address: bigint): { readonly offset: bigint; readonly count: number };
}

/** References in one MAP_GRANT_REF: the default of module xen_gntdev's parameter `limit`. */
const DEFAULT_LIMIT = 64 * 1024;
const LIMIT_PATH = "/sys/module/xen_gntdev/parameters/limit";

/** GNTST_*, Xen's public grant_table.h; general_error is what a foreign grantee gets. */
const STATUS_FAULT: { readonly [status: number]: GrantFault } = {
  [-1]: "not granted to this domain",
  [-2]: "bad domain",
  [-3]: "bad reference",
  [-8]: "not granted to this domain",
};

/** Opens gntdev. Throws `SyscallError` with the remedy where there is no Xen or no right. */
export function openGntdev(sys: Sys, write = false): Gntdev {
  const device = openXenDevice(sys, ["/dev/xen/gntdev"], write);
  const limit = grantLimit(sys);
  const context = (domain: number, writable: boolean) => ({ sys, device, domain, writable });
  return {
    mapGrants: (domain, refs) => {
      const map = mapList(context(domain, false), refs, limit);
      return { ...ownFrames(sys, map.parts), ...extras(device, map) };
    },
    mapWritableGrants: (domain, refs) => {
      const map = mapList(context(domain, true), refs, limit);
      return { ...ownWritableFrames(sys, map.parts), ...extras(device, map) };
    },
    probe(domain, refs) {
      const status = probeGrants(context(domain, false), refs);
      return status && Array.from(status, statusFault);
    },
    offsetOf: (address) => offsetOf(device, address),
    [Symbol.dispose]: () => device[Symbol.dispose](),
  };
}

function statusFault(status: number): GrantFault | null {
  return status === 0 ? null : STATUS_FAULT[status] ?? "refused";
}

interface GrantMap {
  readonly areas: readonly GrantArea[];
  /** By position in the list; absent for what is mapped. */
  readonly faults: ReadonlyMap<number, GrantFault>;
  readonly parts: Parameters<typeof ownFrames>[1];
}

/** In one call where all is well, which spares the lists of what is where. */
function mapList(context: GrantContext, refs: readonly number[], limit: number): GrantMap {
  if (refs.length === 0) throw new RangeError("no grants to map");
  const area = refs.length <= limit ? mapTogether(context, refs) : null;
  return area === null ? mapChunks(context, refs, limit) : wholeMap(context, area);
}

function wholeMap(context: GrantContext, area: GrantArea): GrantMap {
  const addresses = new Float64Array(area.count);
  const base = Number(area.address);
  const { pageSize } = context.sys;
  for (let i = 0; i < addresses.length; i++) addresses[i] = base + i * pageSize;
  return {
    areas: [area],
    faults: new Map(),
    parts: partsOf(context, [area], addresses, new Int32Array(area.count)),
  };
}

function partsOf(
  context: GrantContext,
  areas: readonly GrantArea[],
  addresses: Float64Array,
  errors: Int32Array,
): GrantMap["parts"] {
  const label = `grants of domain ${context.domain}`;
  const release = () => areas.forEach((area) => forget(context.device, area.index, area.count));
  return { label, areas, addresses, errors, release };
}

function mapChunks(context: GrantContext, refs: readonly number[], limit: number): GrantMap {
  const addresses = new Float64Array(refs.length);
  const faults = new Map<number, GrantFault>();
  const areas: GrantArea[] = [];
  const take = (area: GrantArea, indices: readonly number[]) => {
    areas.push(area);
    const base = Number(area.address);
    const { pageSize } = context.sys;
    for (let i = 0; i < indices.length; i++) addresses[indices[i]] = base + i * pageSize;
  };
  try {
    const fail: Fail = (index, fault) => void faults.set(index, fault);
    // All of a list that fits into one call was tried.
    const list = { context, refs, take, fail };
    if (refs.length <= limit) mapGood(list, chunks(refs.length, limit)[0]);
    else for (const part of chunks(refs.length, limit)) mapSome(list, part);
  } catch (error) {
    areas.forEach((area) => unmap(context, area));
    throw error;
  }
  const refused = errnoCode("EINVAL");
  const errors = new Int32Array(refs.length);
  for (let i = 0; i < errors.length; i++) if (addresses[i] === 0) errors[i] = refused;
  return { areas, faults, parts: partsOf(context, areas, addresses, errors) };
}

function unmap(context: GrantContext, area: GrantArea): void {
  context.sys.munmap(area.address, area.length);
  forget(context.device, area.index, area.count);
}

/** Positions of the list in pieces that one ioctl takes. */
function chunks(count: number, size: number): number[][] {
  return Array.from({ length: Math.ceil(count / size) }, (_, n) => {
    const length = Math.min(size, count - n * size);
    return Array.from({ length }, (_, i) => n * size + i);
  });
}

function grantLimit(sys: Sys): number {
  try {
    const limit = Number(sys.readText(LIMIT_PATH, 64).trim());
    return Number.isInteger(limit) && limit > 0 ? limit : DEFAULT_LIMIT;
  } catch (error) {
    if (isErrno(error)) return DEFAULT_LIMIT;
    throw error;
  }
}

type Take = (area: GrantArea, indices: readonly number[]) => void;
type Fail = (index: number, fault: GrantFault) => void;

/** A list that is being mapped, and who is told how it went. */
interface GrantList {
  readonly context: GrantContext;
  readonly refs: readonly number[];
  readonly take: Take;
  readonly fail: Fail;
}

/** All at once; where that fails, without those that Xen refuses; where that fails, by halves. */
function mapSome(list: GrantList, indices: readonly number[]): void {
  const { context, refs, take } = list;
  const area = mapTogether(context, pick(refs, indices));
  if (area !== null) take(area, indices);
  else mapGood(list, indices);
}

function pick(refs: readonly number[], indices: readonly number[]): number[] {
  return indices.map((index) => refs[index]);
}

/** Those that Xen does not refuse, of a list that can not be mapped as it is. */
function mapGood(list: GrantList, indices: readonly number[]): void {
  const { context, refs, fail } = list;
  const status = probeGrants(context, pick(refs, indices));
  const good = indices.filter((index, i) => {
    const fault = status === null ? null : statusFault(status[i]);
    if (fault !== null) fail(index, fault);
    return fault === null;
  });
  if (good.length === indices.length) mapHalves(list, good);
  else if (good.length > 0) mapSome(list, good);
}

function mapHalves(list: GrantList, indices: readonly number[]): void {
  const { context, refs, take, fail } = list;
  if (indices.length === 1) return fail(indices[0], singleFault(context, refs[indices[0]]));
  const middle = indices.length >>> 1;
  for (const half of [indices.slice(0, middle), indices.slice(middle)]) {
    const area = mapTogether(context, pick(refs, half));
    if (area !== null) take(area, half);
    else mapHalves(list, half);
  }
}

/** A grant that may be copied from but not mapped for writing: can it be mapped for reading? */
function singleFault(context: GrantContext, ref: number): GrantFault {
  if (!context.writable) return "refused";
  const area = mapTogether({ ...context, writable: false }, [ref]);
  if (area === null) return "refused";
  unmap(context, area);
  return "read-only grant";
}

function extras(device: XenDevice, map: GrantMap): Pick<Grants, "faultOf" | "noticeUnmap"> {
  return {
    faultOf: (index) => map.faults.get(index) ?? null,
    noticeUnmap(notice) {
      if (map.areas.length === 0) throw new RangeError("no grant is mapped");
      armNotice(device, map.areas[0], notice);
    },
  };
}

/** IOCTL_GNTDEV_SET_UNMAP_NOTIFY: one notice per mapping, kept by the kernel. */
function armNotice(device: XenDevice, area: GrantArea, notice: UnmapNotice): void {
  const action = (notice.clearByte === null ? 0 : UNMAP_NOTIFY_ACTION.CLEAR_BYTE) |
    (notice.port === null ? 0 : UNMAP_NOTIFY_ACTION.SEND_EVENT);
  const argument = new DataView(new ArrayBuffer(UNMAP_NOTIFY.SIZE));
  const at = notice.clearByte ?? 0;
  if (at >= area.count * FRAME_SIZE) throw new RangeError(`byte ${at} is not in the mapping`);
  argument.setBigUint64(UNMAP_NOTIFY.index, area.index + BigInt(at), true);
  argument.setUint32(UNMAP_NOTIFY.action, action, true);
  argument.setUint32(UNMAP_NOTIFY.port, notice.port ?? 0, true);
  device.ioctl("GNTDEV_SET_UNMAP_NOTIFY", new Uint8Array(argument.buffer), "unmap notice", {
    EINVAL: "the port is not bound by this process, or the mapping is read-only",
  });
}

function offsetOf(device: XenDevice, address: bigint): { offset: bigint; count: number } {
  const layout = GNTDEV_GET_OFFSET_FOR_VADDR;
  const argument = new DataView(new ArrayBuffer(layout.SIZE));
  argument.setBigUint64(layout.vaddr, address, true);
  device.ioctl("GNTDEV_GET_OFFSET_FOR_VADDR", new Uint8Array(argument.buffer), "mapping");
  return {
    offset: argument.getBigUint64(layout.offset, true),
    count: argument.getUint32(layout.count, true),
  };
}
