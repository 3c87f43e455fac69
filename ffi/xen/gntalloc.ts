/**
 * /dev/xen/gntalloc: granting pages of ours to another domain.
 *
 * @module
 */
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../constants.ts";
import { isErrno } from "../errno.ts";
import type { Sys } from "../sys.ts";
import { openXenDevice, type XenDevice } from "./device.ts";
import { ownWritableFrames, type WritableFrames } from "./frames.ts";
import { GNTALLOC_ALLOC_GREF, GNTALLOC_DEALLOC_GREF, GNTALLOC_FLAG_WRITABLE } from "./layout.ts";

/** Pages of ours that another domain may map. */
export interface OfferedPages extends WritableFrames {
  /** Grant reference of each page. */
  readonly refs: readonly number[];
}

/** An open gntalloc. */
export interface Gntalloc extends Disposable {
  /**
   * Allocates zeroed pages and grants them to `domain`. Disposing ends the grants; a page that the
   * other side still maps is freed by the kernel when it lets go. Throws `SyscallError`: ENOSPC over
   * module xen_gntalloc's `limit` (1024 pages by default), ENOMEM.
   */
  offer(domain: number, count: number, writable: boolean): OfferedPages;
}

const REMEDIES: { readonly [errno: string]: string } = {
  ENOSPC: "more pages than module xen_gntalloc's parameter `limit`, or no grant reference is free",
  ENOMEM: "no memory for the pages",
};

/** Opens gntalloc. Throws `SyscallError` with the remedy where there is no Xen or no right. */
export function openGntalloc(sys: Sys): Gntalloc {
  const device = openXenDevice(sys, ["/dev/xen/gntalloc"], true);
  return {
    offer: (domain, count, writable) => offer(sys, device, domain, count, writable),
    [Symbol.dispose]: () => device[Symbol.dispose](),
  };
}

function offer(
  sys: Sys,
  device: XenDevice,
  domain: number,
  count: number,
  writable: boolean,
): OfferedPages {
  const { index, refs } = allocate(device, domain, count, writable);
  const release = () => deallocate(device, index, count);
  const length = count * sys.pageSize;
  let address: bigint;
  try {
    address = sys.mmap(length, PROT_READ | PROT_WRITE, MAP_SHARED, device.fd, Number(index));
  } catch (error) {
    release();
    throw error;
  }
  const base = Number(address);
  const frames = ownWritableFrames(sys, {
    label: `pages granted to domain ${domain}`,
    areas: [{ address, length }],
    addresses: Float64Array.from({ length: count }, (_, i) => base + i * sys.pageSize),
    errors: new Int32Array(count),
    release,
  });
  return { ...frames, refs };
}

function allocate(device: XenDevice, domain: number, count: number, writable: boolean) {
  const layout = GNTALLOC_ALLOC_GREF;
  if (!(count > 0)) throw new RangeError(`${count} pages to grant`);
  const argument = new DataView(new ArrayBuffer(layout.gref_ids + 4 * count));
  argument.setUint16(layout.domid, domain, true);
  argument.setUint16(layout.flags, writable ? GNTALLOC_FLAG_WRITABLE : 0, true);
  argument.setUint32(layout.count, count, true);
  const object = `${count} pages for domain ${domain}`;
  device.ioctl("GNTALLOC_ALLOC_GREF", new Uint8Array(argument.buffer), object, REMEDIES);
  const ref = (_: unknown, i: number) => argument.getUint32(layout.gref_ids + 4 * i, true);
  return {
    index: argument.getBigUint64(layout.index, true),
    refs: Array.from({ length: count }, ref),
  };
}

function deallocate(device: XenDevice, index: bigint, count: number): void {
  const argument = new DataView(new ArrayBuffer(GNTALLOC_DEALLOC_GREF.SIZE));
  argument.setBigUint64(GNTALLOC_DEALLOC_GREF.index, index, true);
  argument.setUint32(GNTALLOC_DEALLOC_GREF.count, count, true);
  try {
    device.ioctl("GNTALLOC_DEALLOC_GREF", new Uint8Array(argument.buffer), `${count} pages`);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
