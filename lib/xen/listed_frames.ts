/**
 * Grants or frames of a domain by number, mapped together: what can be mapped is, and of the rest each
 * says why not.
 *
 * @module
 */
import type { Frames } from "../../ffi/xen/frames.ts";
import type { GrantFault, Grants } from "../../ffi/xen/gntdev.ts";
import { SourceError } from "../errors.ts";
import { entryOf, type GrantTable } from "./grant_table.ts";
import {
  domainInfo,
  DOMINF,
  explained,
  hasParameters,
  tryDomainInfo,
  type XenHost,
} from "./host.ts";
import { isOwnFrame, readP2m } from "./p2m.ts";
import { readGrantTable } from "./read_grants.ts";

/** Frame `i` is number `i` of the list. */
export interface ListedFrames<T extends Frames = Frames> {
  readonly frames: T;
  /** Why number `i` of the list is not mapped; null where it is. */
  faultOf(index: number): string | null;
}

/** Maps grants, with the rights that the host was opened with. Throws `SourceError`. */
export function mapGrants(
  host: XenHost,
  domain: number,
  refs: readonly number[],
): ListedFrames<Grants> {
  using undo = new DisposableStack();
  const grants = undo.use(explained("map grants", () => {
    const gntdev = host.gntdev();
    return host.write ? gntdev.mapWritableGrants(domain, refs) : gntdev.mapGrants(domain, refs);
  }));
  if (refs.every((_, i) => grants.faultOf(i) === "bad domain")) throw noDomain(domain);
  const table = grants.failed === 0 ? null : tableOrNull(host, domain);
  undo.move();
  return {
    frames: grants,
    faultOf(index) {
      const fault = grants.faultOf(index);
      return fault === null ? null : grantFaultText(fault, refs[index], domain, table);
    },
  };
}

function noDomain(domain: number): SourceError {
  const remedy = "`xl list` or `guestmem find` lists domains";
  return new SourceError("xen", "map grants", "not-found", `no domain ${domain}`, remedy);
}

/** The table says more than Xen does; where it can not be had, Xen's words must do. */
function tableOrNull(host: XenHost, domain: number): GrantTable | null {
  try {
    return readGrantTable(host, domain);
  } catch (error) {
    if (error instanceof SourceError) return null;
    throw error;
  }
}

/** Says why a reference can not be mapped, with what the domain's grant table tells. */
export function grantFaultText(
  fault: GrantFault,
  ref: number,
  domain: number,
  table: GrantTable | null,
): string {
  if (fault === "bad domain") return `no domain ${domain}`;
  if (table === null) return fault;
  if (ref >= table.capacity) return `beyond the table's ${table.capacity} entries`;
  const entry = entryOf(table, ref);
  if (entry === null) return "free: nothing is granted by it";
  if (fault === "read-only grant") return "granted read-only; map it without --write";
  if (fault === "refused") return `refused (${entry.type})`;
  return `granted to domain ${entry.domain}, not to us`;
}

/**
 * Maps frames: by PFN of a PV guest (`machine`: by machine frame), by GFN of any other. Throws
 * `SourceError`.
 */
export function mapFrames(
  host: XenHost,
  domain: number,
  frames: readonly number[],
  machine: boolean,
): ListedFrames {
  const numbers = machine
    ? BigUint64Array.from(frames, BigInt)
    : hypervisorFrames(host, domain, frames);
  const mapped = explained(
    "map frames",
    () =>
      host.write
        ? host.privcmd.mapWritableFrames(domain, numbers)
        : host.privcmd.mapFrames(domain, numbers),
  );
  return {
    frames: mapped,
    faultOf: (index) =>
      numbers[index] === NO_FRAME ? "hole: the guest has no memory there" : mapped.errnoOf(index),
  };
}

/** A frame number that no domain has. */
const NO_FRAME = 0xff_ffff_ffffn;

function hypervisorFrames(
  host: XenHost,
  domain: number,
  frames: readonly number[],
): BigUint64Array {
  const known = tryDomainInfo(host, domain) !== null;
  if (!known && hasParameters(host, domain)) return BigUint64Array.from(frames, BigInt);
  const info = domainInfo(host, domain);
  if ((info.flags & DOMINF.hvm) !== 0) return BigUint64Array.from(frames, BigInt);
  const { mfns } = readP2m(host, info);
  return BigUint64Array.from(frames, (pfn) => {
    const mfn = pfn < mfns.length ? mfns[pfn] : NO_FRAME;
    return isOwnFrame(Number(mfn >> 32n)) ? mfn : NO_FRAME;
  });
}
