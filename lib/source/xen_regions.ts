/**
 * Memory of a Xen domain that a layout names: what a vhost-user front-end of a Xen guest sends in the
 * place of files (XEN_MMAP, and CUSTOM_MMAP before it).
 *
 * ```text
 * foreign  gpa 0x4000, size 0x3000           frames 4, 5, 6 of the domain, by privcmd
 * grants   gpa 1 << 63 | 8 << 12, 0x2000     references 8 and 9, by gntdev
 * ```
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { GRANT_FLAG } from "../address.ts";
import type { Backing } from "../memory/backing.ts";
import { type GrantRange, openGrantWindow } from "../xen/granted_memory.ts";
import { assertDomain, domainInfo, explained, openXenHost, type XenHost } from "../xen/host.ts";
import { frameLister, openFrameWindow } from "../xen/memory.ts";
import { isXen, type LayoutMemory, type XenBytes } from "./layout.ts";
import type { OpenBytes } from "./layout_memory.ts";

/** Grants that are mapped as a whole; of more each is mapped when it is read. */
const WHOLE_LIMIT = 64 * 1024;

/** Opens entries whose bytes are a domain's. Throws `SourceError`; TypeError for other entries. */
export function openXenBytes(sys: Sys, write: boolean): OpenBytes {
  let host: XenHost | null = null;
  return (entry, resources) => {
    const { bytes } = entry;
    if (!isXen(bytes)) throw new TypeError(`${entry.path} is no memory of a domain`);
    host ??= resources.use(openXenHost(sys, write));
    assertDomain(host, bytes.domain);
    return resources.use(opened(host, entry, bytes));
  };
}

function opened(host: XenHost, entry: LayoutMemory, bytes: XenBytes): Backing & Disposable {
  const { domain, inAdvance } = bytes;
  const count = Math.ceil(Number(entry.size) / 4096);
  if (bytes.kind === "foreign") return foreign(host, domain, Number(entry.gpa / 4096n), count);
  const first = Number((entry.gpa & ~GRANT_FLAG) / 4096n);
  // Some may be for reading only: for writing each is mapped with the rights that it has.
  const whole = inAdvance && !host.write && count <= WHOLE_LIMIT;
  return whole ? allGrants(host, domain, { first, count }) : openGrantWindow(host, domain, {
    first,
    count,
  });
}

/** Mapped in pieces when they are read, whether or not it may be in advance. */
function foreign(host: XenHost, domain: number, first: number, count: number) {
  const list = frameLister(host, domainInfo(host, domain));
  const frames = { end: count, list: (at: number, length: number) => list(first + at, length) };
  return openFrameWindow(host, domain, frames);
}

function allGrants(host: XenHost, domain: number, { first, count }: GrantRange) {
  const refs = Array.from({ length: count }, (_, i) => first + i);
  return explained("map grants", () => host.gntdev().mapGrants(domain, refs));
}
