/**
 * Reads a domain's grant table from the hypervisor.
 *
 * @module
 */
import type { Resource } from "../../ffi/xen/privcmd.ts";
import { RESOURCE } from "../../ffi/xen/layout.ts";
import { SourceError } from "../errors.ts";
import {
  countGrants,
  decodeGrantTable,
  ENTRY_SIZE,
  type GrantTable,
  type GrantTableBytes,
  type GrantUse,
  STATUS_PER_FRAME,
} from "./grant_table.ts";
import { explained, type XenHost } from "./host.ts";

/** The domain that we are in. */
const OURS = 0;
/** id of MMAP_RESOURCE for grant tables: XENMEM_resource_grant_table_id_*. */
const SHARED = 0;
const STATUS = 1;

/**
 * Copies and decodes the table. Its size is asked first: mapping more frames than it has would make
 * the guest's table grow. Throws `SourceError`: not-found, permission, unsupported (Xen before 4.11).
 */
export function readGrantTable(host: XenHost, domain: number): GrantTable {
  const table = copyEntries(host, domain);
  const { version, frames } = table;
  const status = version === 2 && frames > 0
    ? copy(host, domain, STATUS, statusFrames(frames))
    : null;
  return decodeGrantTable({ ...table, status });
}

/** Counts what the table has in use. Its size is asked first, too. Throws the same. */
export function readGrantUse(host: XenHost, domain: number): GrantUse {
  return countGrants(copyEntries(host, domain));
}

/** The entries, without the status words of version 2. */
function copyEntries(host: XenHost, domain: number): GrantTableBytes {
  const stage = "read grant table";
  const size = explained(stage, () => host.calls.grantTableSize(domain));
  if (size === null) {
    const remedy = "`xl list` or `guestmem find` lists domains";
    throw new SourceError("xen", stage, "not-found", `no domain ${domain}`, remedy);
  }
  const version = explained(stage, () => host.calls.grantTableVersion(domain));
  const { frames, maxFrames } = size;
  const shared = frames === 0 ? new Uint8Array(0) : copy(host, domain, SHARED, frames);
  return { version, frames, maxFrames, shared, status: null };
}

function statusFrames(frames: number): number {
  return Math.ceil(frames * (4096 / ENTRY_SIZE[2]) / STATUS_PER_FRAME);
}

/** Maps, copies and unmaps: a mapped table would keep a dying domain alive. */
function copy(host: XenHost, domain: number, id: number, count: number): Uint8Array {
  const resource: Resource = { domain, type: RESOURCE.grant_table, id };
  return ownExplained(domain, () => {
    using frames = host.privcmd.mapResource(resource, 0, count);
    const bytes = new Uint8Array(frames.length);
    const { length, errno } = frames.copy(0, bytes);
    if (length === bytes.length) return bytes;
    throw new SourceError("xen", "read grant table", "failed", `${errno} at byte ${length}`);
  });
}

/** Xen shows no domain its own grant table; what it says then (EPERM) is no matter of rights. */
function ownExplained<T>(domain: number, run: () => T): T {
  try {
    return explained("map grant table", run);
  } catch (error) {
    if (domain !== OURS || !(error instanceof SourceError)) throw error;
    const text = "Xen does not show a domain its own grant table";
    const remedy = "look at the table of the domain at the other end";
    throw new SourceError("xen", error.stage, "unsupported", text, remedy, { cause: error });
  }
}
