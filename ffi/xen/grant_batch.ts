/**
 * The ioctls of /dev/xen/gntdev that work on lists of grant references, one call each.
 *
 * Order of a grant mapping: the ioctl first (it always succeeds and gives an offset), then mmap of
 * exactly that many pages at that offset, where everything that is wrong shows as EINVAL.
 *
 * @module
 */
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../constants.ts";
import { isErrno, SyscallError } from "../errno.ts";
import type { Sys } from "../sys.ts";
import { pause, RETRY_LIMIT, type XenDevice } from "./device.ts";
import type { Area } from "./frames.ts";
import {
  GNTCOPY,
  GNTDEV_GRANT_COPY,
  GNTDEV_GRANT_COPY_SEGMENT as SEGMENT,
  GNTDEV_MAP_GRANT_REF,
  GNTDEV_UNMAP_GRANT_REF,
} from "./layout.ts";
import { pinMemory } from "./pinned.ts";

/** What the calls work with. */
export interface GrantContext {
  readonly sys: Sys;
  readonly device: XenDevice;
  readonly domain: number;
  readonly writable: boolean;
}

/** References mapped by one ioctl and one mmap: one kernel page each. */
export interface GrantArea extends Area {
  /** The kernel's offset of the mapping: `index` of the ioctls. */
  readonly index: bigint;
  readonly count: number;
}

const REMEDIES: { readonly [errno: string]: string } = {
  EINVAL: "more references than module xen_gntdev's parameter `limit` allows in one call",
  ENOMEM: "dom0 has no free pages to map into: map fewer grants, or give dom0 memory",
  ENOTTY: "this kernel's gntdev does not know the call",
};

/** Maps references in one go; null where the kernel says that one of them (which?) is wrong. */
export function mapTogether(context: GrantContext, refs: readonly number[]): GrantArea | null {
  const { sys, device, writable } = context;
  const index = announce(context, refs);
  const length = refs.length * sys.pageSize;
  const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  for (let tries = 0;; tries++) {
    try {
      const address = sys.mmap(length, protection, MAP_SHARED, device.fd, Number(index));
      return { address, length, index, count: refs.length };
    } catch (error) {
      // EAGAIN: the page is paged out by the hypervisor and on its way back.
      if (isErrno(error, "EAGAIN") && tries < RETRY_LIMIT) pause(1);
      else {
        forget(device, index, refs.length);
        if (isErrno(error, "EINVAL", "EAGAIN")) return null;
        throw explained(context, refs, error);
      }
    }
  }
}

function explained(context: GrantContext, refs: readonly number[], error: unknown): unknown {
  if (!isErrno(error)) return error;
  const subject = `${context.device.path} (${refs.length} grants of domain ${context.domain})`;
  return new SyscallError("mmap", error.errno, subject, REMEDIES[error.errno] ?? "");
}

/** IOCTL_GNTDEV_MAP_GRANT_REF: gives the offset to map at. */
function announce(context: GrantContext, refs: readonly number[]): bigint {
  const layout = GNTDEV_MAP_GRANT_REF;
  const argument = new DataView(new ArrayBuffer(layout.refs + layout.refSize * refs.length));
  argument.setUint32(layout.count, refs.length, true);
  const pairs = new Uint32Array(argument.buffer, layout.refs);
  for (let i = 0; i < refs.length; i++) {
    pairs[2 * i] = context.domain;
    pairs[2 * i + 1] = refs[i];
  }
  const object = `domain ${context.domain}, ${refs.length} grants`;
  const bytes = new Uint8Array(argument.buffer);
  context.device.ioctl("GNTDEV_MAP_GRANT_REF", bytes, object, REMEDIES);
  return argument.getBigUint64(layout.index, true);
}

/** IOCTL_GNTDEV_UNMAP_GRANT_REF: the kernel forgets a mapping; ENOENT (already gone) is fine. */
export function forget(device: XenDevice, index: bigint, count: number): void {
  const argument = new DataView(new ArrayBuffer(GNTDEV_UNMAP_GRANT_REF.SIZE));
  argument.setBigUint64(GNTDEV_UNMAP_GRANT_REF.index, index, true);
  argument.setUint32(GNTDEV_UNMAP_GRANT_REF.count, count, true);
  try {
    device.ioctl("GNTDEV_UNMAP_GRANT_REF", new Uint8Array(argument.buffer), `${count} grants`);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/**
 * GNTST_* of each reference: what Xen says to a copy of its first byte. Tells a bad reference, a bad
 * domain and a missing permission apart, where mmap says EINVAL to all of them. Changes nothing. Null
 * where the kernel has no grant copy.
 */
export function probeGrants(context: GrantContext, refs: readonly number[]): Int16Array | null {
  const { sys, device, domain } = context;
  const table = refs.length * SEGMENT.SIZE;
  using memory = pinMemory(sys, table + refs.length);
  refs.forEach((ref, i) => {
    const at = i * SEGMENT.SIZE;
    memory.view.setUint32(at + SEGMENT.source, ref, true);
    memory.view.setUint16(at + SEGMENT.source + SEGMENT.foreignDomid, domain, true);
    memory.view.setBigUint64(at + SEGMENT.dest, memory.address + BigInt(table + i), true);
    memory.view.setUint16(at + SEGMENT.len, 1, true);
    memory.view.setUint16(at + SEGMENT.flags, GNTCOPY.source_gref, true);
  });
  const argument = new DataView(new ArrayBuffer(GNTDEV_GRANT_COPY.SIZE));
  argument.setUint32(GNTDEV_GRANT_COPY.count, refs.length, true);
  argument.setBigUint64(GNTDEV_GRANT_COPY.segments, memory.address, true);
  try {
    const bytes = new Uint8Array(argument.buffer);
    device.ioctl("GNTDEV_GRANT_COPY", bytes, `domain ${domain}, ${refs.length} grants`);
  } catch (error) {
    if (isErrno(error)) return null;
    throw error;
  }
  return Int16Array.from(
    refs,
    (_, i) => memory.view.getInt16(i * SEGMENT.SIZE + SEGMENT.status, true),
  );
}
