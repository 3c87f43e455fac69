/**
 * /dev/xen/privcmd: mapping another domain's frames, and the resources that Xen keeps for it.
 *
 * Order of a foreign mapping: mmap reserves addresses (a touch of them now is SIGBUS), the ioctl fills
 * them, and only then may they be touched, frame by frame where the ioctl says so. The protection is
 * chosen at mmap: mprotect would appear to work and does not.
 *
 * @module
 */
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../constants.ts";
import { errnoCode, isErrno, SyscallError } from "../errno.ts";
import type { Sys } from "../sys.ts";
import { openXenDevice, pause, type XenDevice } from "./device.ts";
import { type Frames, ownFrames, ownWritableFrames, type WritableFrames } from "./frames.ts";
import {
  FRAME_SIZE,
  PRIVCMD_HYPERCALL,
  PRIVCMD_MMAP_RESOURCE,
  PRIVCMD_MMAPBATCH_V2,
} from "./layout.ts";
import { pageRound, pinArrays, type Pinned, type PinnedArrays } from "./pinned.ts";

/** Frame numbers: machine frames of a PV domain, guest frames of every other. */
export type FrameList = BigUint64Array | readonly bigint[];

/** A resource that Xen keeps for a domain: `RESOURCE` in layout.ts. */
export interface Resource {
  readonly domain: number;
  readonly type: number;
  readonly id: number;
}

/** An open privcmd. */
export interface Privcmd extends Disposable {
  /**
   * Maps frames read-only, in one ioctl. A frame that fails is marked in the result. A frame that the
   * hypervisor paged out is asked for again for at most two seconds, then marked ENOENT. Throws
   * `SyscallError` where nothing was mapped: ESRCH no such domain, ENOMEM, EPERM.
   */
  mapFrames(domain: number, frames: FrameList): Frames;
  /**
   * errno of each frame, as a positive number; 0 where it could be mapped. Nothing stays mapped, and
   * nothing is read. Throws as `mapFrames` does.
   */
  probeFrames(domain: number, frames: FrameList): Int32Array;
  /** The same as `mapFrames`, writable. Needs a privcmd opened for writing. */
  mapWritableFrames(domain: number, frames: FrameList): WritableFrames;
  /** Frames that a resource can have at most (not: has). */
  resourceSize(resource: Resource): number;
  /**
   * Maps frames [first, first + count) of a resource, read-only. Mapping more of a grant table than
   * it has makes the guest's table grow: ask its size first.
   */
  mapResource(resource: Resource, first: number, count: number): Frames;
  /** Gives this fd to one domain: others are EPERM afterwards, and so are hypercalls. Final. */
  restrict(domain: number): void;
  /** Makes a hypercall; arguments that are addresses must be of `pinHypercallMemory`. */
  hypercall(op: number, object: string, args: readonly (bigint | number)[]): number;
}

/** How long a paged-out frame is waited for, in tries of 100 us. */
const PAGING_TRIES = 20_000;
const PAGING_PAUSE_MS = 0.1;
const PAGED_OUT = errnoCode("ENOENT");
const NO_DOMAIN = errnoCode("ESRCH");

const REMEDIES: { readonly [errno: string]: string } = {
  ESRCH: "no such domain (or our own, whose frames are not foreign): was it destroyed meanwhile?",
  EPERM: "not allowed: this needs dom0, or a device model domain of that guest",
  ENOMEM: "dom0 has no free pages to map into: map fewer frames, or give dom0 memory",
  ENOTTY: "this kernel's privcmd does not know the call",
  EINVAL: "no such frames, resource or domain",
  EOPNOTSUPP: "this Xen does not have the resource",
};

/** Opens privcmd. Throws `SyscallError` with the remedy where there is no Xen or no right. */
export function openPrivcmd(sys: Sys, write = false): Privcmd {
  const device = openXenDevice(sys, ["/dev/xen/privcmd", "/proc/xen/privcmd"], write);
  const arrays = pinArrays(sys);
  const context: BatchContext = { sys, device, arrays };
  return {
    mapFrames: (domain, frames) => ownFrames(sys, mapBatch(context, domain, frames, PROT_READ)),
    probeFrames: (domain, frames) => probeBatch(context, domain, frames),
    mapWritableFrames: (domain, frames) =>
      ownWritableFrames(sys, mapBatch(context, domain, frames, PROT_READ | PROT_WRITE)),
    resourceSize: (resource) => Number(callResource(device, resource, 0, 0, 0n)),
    mapResource: (resource, first, count) => mapResource(sys, device, resource, first, count),
    restrict: (domain) =>
      void device.ioctl(
        "PRIVCMD_RESTRICT",
        new Uint8Array(Uint16Array.of(domain).buffer),
        `domain ${domain}`,
      ),
    hypercall: (op, object, args) => callHypercall(device, op, object, args),
    [Symbol.dispose]() {
      arrays[Symbol.dispose]();
      device[Symbol.dispose]();
    },
  };
}

/** What mapping batches of frames needs. */
interface BatchContext {
  readonly sys: Sys;
  readonly device: XenDevice;
  /** For the frames and their errors: of one batch after the other. */
  readonly arrays: PinnedArrays;
}

function mapBatch(
  context: BatchContext,
  domain: number,
  frames: FrameList,
  protection: number,
) {
  const { sys, device } = context;
  const area = reserve(sys, device, frames.length, protection);
  try {
    const errors = fill(context, domain, frames, area.address);
    const addresses = addressesOf(area.address, errors);
    return { label: `foreign frames of domain ${domain}`, areas: [area], addresses, errors };
  } catch (error) {
    sys.munmap(area.address, area.length);
    throw error;
  }
}

/** Where each frame is in this process; 0 for those that failed. */
function addressesOf(start: bigint, errors: Int32Array): Float64Array {
  const base = Number(start);
  const addresses = new Float64Array(errors.length);
  for (let i = 0; i < errors.length; i++) {
    if (errors[i] === 0) addresses[i] = base + i * FRAME_SIZE;
  }
  return addresses;
}

function probeBatch(context: BatchContext, domain: number, frames: FrameList): Int32Array {
  const { sys, device } = context;
  const area = reserve(sys, device, frames.length, PROT_READ);
  try {
    return fill(context, domain, frames, area.address);
  } finally {
    sys.munmap(area.address, area.length);
  }
}

/** The ioctl itself succeeds for a domain that is not there: only each frame says ESRCH. */
function noDomain(domain: number, count: number): SyscallError {
  const subject = `IOCTL_PRIVCMD_MMAPBATCH_V2 (domain ${domain}, ${count} frames)`;
  return new SyscallError("ioctl", "ESRCH", subject, REMEDIES.ESRCH);
}

/** Addresses for `count` frames. The area must be used whole by the first ioctl, and unmapped whole. */
function reserve(sys: Sys, device: XenDevice, count: number, protection: number) {
  if (count === 0) throw new RangeError("no frames to map");
  const length = pageRound(sys, count * FRAME_SIZE);
  return { address: sys.mmap(length, protection, MAP_SHARED, device.fd, 0), length };
}

/** errno of each frame, as a positive number; 0 where it is mapped. */
function fill(
  context: BatchContext,
  domain: number,
  frames: FrameList,
  address: bigint,
): Int32Array {
  const count = frames.length;
  const arrays = context.arrays.take(count * 12);
  new BigUint64Array(arrays.buffer, 0, count).set(frames);
  new Int32Array(arrays.buffer, count * 8, count).fill(0);
  const batch = { device: context.device, domain, address, arrays, total: count };
  callBatch(batch, 0, count);
  const raw = new Int32Array(arrays.buffer, count * 8, count);
  retryPagedOut(batch, raw);
  const errors = new Int32Array(count);
  for (let i = 0; i < count; i++) errors[i] = -raw[i];
  // One frame tells whether it is worth looking at all of them.
  const first = errors[0] === NO_DOMAIN;
  if (first && errors.every((error) => error === NO_DOMAIN)) throw noDomain(domain, count);
  return errors;
}

interface Batch {
  readonly device: XenDevice;
  readonly domain: number;
  readonly address: bigint;
  readonly arrays: Pinned;
  readonly total: number;
}

/**
 * One MMAPBATCH_V2 over frames [first, first + count). It gives 0 though every frame failed, and -1
 * with ENOENT when one is paged out: in both cases the array of errors is what counts.
 */
function callBatch(batch: Batch, first: number, count: number): void {
  const argument = new DataView(new ArrayBuffer(PRIVCMD_MMAPBATCH_V2.SIZE));
  argument.setUint32(PRIVCMD_MMAPBATCH_V2.num, count, true);
  argument.setUint16(PRIVCMD_MMAPBATCH_V2.dom, batch.domain, true);
  const set = (offset: number, value: bigint) => argument.setBigUint64(offset, value, true);
  set(PRIVCMD_MMAPBATCH_V2.addr, batch.address + BigInt(first * FRAME_SIZE));
  set(PRIVCMD_MMAPBATCH_V2.arr, batch.arrays.address + BigInt(first * 8));
  set(PRIVCMD_MMAPBATCH_V2.err, batch.arrays.address + BigInt(batch.total * 8 + first * 4));
  const object = `domain ${batch.domain}, ${count} frames`;
  try {
    const bytes = new Uint8Array(argument.buffer);
    batch.device.ioctl("PRIVCMD_MMAPBATCH_V2", bytes, object, REMEDIES);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** Asks for each run of paged-out frames again until none is left or the time is over. */
function retryPagedOut(batch: Batch, errors: Int32Array): void {
  for (let tries = 0; tries < PAGING_TRIES; tries++) {
    const first = errors.indexOf(-PAGED_OUT);
    if (first < 0) return;
    pause(PAGING_PAUSE_MS);
    let end = first + 1;
    while (end < errors.length && errors[end] === -PAGED_OUT) end++;
    callBatch(batch, first, end - first);
  }
}

function mapResource(
  sys: Sys,
  device: XenDevice,
  resource: Resource,
  first: number,
  count: number,
): Frames {
  if (count <= 0) throw new RangeError("no frames of a resource to map");
  const area = reserve(sys, device, count, PROT_READ);
  try {
    callResource(device, resource, first, count, area.address);
  } catch (error) {
    sys.munmap(area.address, area.length);
    throw error;
  }
  const base = Number(area.address);
  return ownFrames(sys, {
    label: `resource ${resource.type}.${resource.id} of domain ${resource.domain}`,
    areas: [area],
    addresses: Float64Array.from({ length: count }, (_, i) => base + i * FRAME_SIZE),
    errors: new Int32Array(count),
  });
}

/** Address 0 and count 0 ask for the size, which `num` then holds. */
function callResource(
  device: XenDevice,
  resource: Resource,
  first: number,
  count: number,
  address: bigint,
): bigint {
  const argument = new DataView(new ArrayBuffer(PRIVCMD_MMAP_RESOURCE.SIZE));
  argument.setUint16(PRIVCMD_MMAP_RESOURCE.dom, resource.domain, true);
  argument.setUint32(PRIVCMD_MMAP_RESOURCE.type, resource.type, true);
  argument.setUint32(PRIVCMD_MMAP_RESOURCE.id, resource.id, true);
  argument.setUint32(PRIVCMD_MMAP_RESOURCE.idx, first, true);
  argument.setBigUint64(PRIVCMD_MMAP_RESOURCE.num, BigInt(count), true);
  argument.setBigUint64(PRIVCMD_MMAP_RESOURCE.addr, address, true);
  const object = `domain ${resource.domain}, resource ${resource.type}.${resource.id}`;
  device.ioctl("PRIVCMD_MMAP_RESOURCE", new Uint8Array(argument.buffer), object, REMEDIES);
  return argument.getBigUint64(PRIVCMD_MMAP_RESOURCE.num, true);
}

const HYPERCALL_REMEDIES: { readonly [errno: string]: string } = {
  ...REMEDIES,
  EACCES: "the hypervisor refused: another interface version, or its security policy",
  ENOSYS: "this Xen does not have the hypercall",
  EFAULT: "the argument's memory was not resident",
};

function callHypercall(
  device: XenDevice,
  op: number,
  object: string,
  args: readonly (bigint | number)[],
): number {
  const argument = new DataView(new ArrayBuffer(PRIVCMD_HYPERCALL.SIZE));
  argument.setBigUint64(PRIVCMD_HYPERCALL.op, BigInt(op), true);
  args.forEach((arg, i) =>
    argument.setBigUint64(PRIVCMD_HYPERCALL.arg + 8 * i, BigInt.asUintN(64, BigInt(arg)), true)
  );
  const bytes = new Uint8Array(argument.buffer);
  return device.ioctl("PRIVCMD_HYPERCALL", bytes, object, HYPERCALL_REMEDIES);
}
