/**
 * Maps a list of grants or frames of a domain as it is given: what can be mapped is, and of the rest
 * each says why not.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { openEvtchn } from "../../ffi/xen/evtchn.ts";
import type { Frames } from "../../ffi/xen/frames.ts";
import type { GrantFault, Grants } from "../../ffi/xen/gntdev.ts";
import { SourceError } from "../errors.ts";
import type { GrantTable } from "./grant_table.ts";
import { domainInfo, DOMINF, explained, openXenHost, tryDomainInfo, type XenHost } from "./host.ts";
import { isOwnFrame, readP2m } from "./p2m.ts";
import { readGrantTable } from "./read_grants.ts";

/** One grant or frame of the list. */
export interface MappedEntry {
  /** Reference or frame number. */
  readonly number: number;
  /** null where it is mapped, else why it is not. */
  readonly fault: string | null;
  /** Its first bytes, copied; empty where it is not mapped. */
  readonly preview: Uint8Array;
}

/** A list, mapped until disposed. */
export interface MappedList extends Disposable {
  readonly entries: readonly MappedEntry[];
  readonly mapped: number;
  /** Bytes from `offset` on, frame by frame in the list's order. */
  copy: Frames["copy"];
}

/** How a list is mapped. */
export interface MapListOptions {
  readonly domain: number;
  readonly write: boolean;
  readonly sys?: Sys;
}

/** What the kernel does when the grants are unmapped, however this process ends. */
export interface NoticeOptions {
  /** Send an event to this port of the domain; null clears the first byte of the first grant. */
  readonly port: number | null;
}

/** Bytes shown of each. */
const PREVIEW = 48;

/** Maps grants. Throws `SourceError` for no Xen, no right, no such domain. */
export function mapGrantList(
  refs: readonly number[],
  options: MapListOptions,
  notice: NoticeOptions | null = null,
): MappedList {
  using undo = new DisposableStack();
  const host = undo.use(openXenHost(options.sys ?? openSys(), options.write));
  const { domain, write } = options;
  const grants = undo.use(explained("map grants", () => {
    const gntdev = host.gntdev();
    return write ? gntdev.mapWritableGrants(domain, refs) : gntdev.mapGrants(domain, refs);
  }));
  if (refs.every((_, i) => grants.faultOf(i) === "bad domain")) throw noDomain(domain);
  if (notice !== null) arm(undo, host, domain, grants, notice);
  const table = grants.failed === 0 ? null : tableOrNull(host, domain);
  return list(undo.move(), grants, refs, (i) => {
    const fault = grants.faultOf(i);
    return fault === null ? null : grantFaultText(fault, refs[i], domain, table);
  });
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
  const entry = table.entries.find((candidate) => candidate.ref === ref);
  if (entry === undefined) return "free: nothing is granted by it";
  if (fault === "read-only grant") return "granted read-only; map it without --write";
  if (fault === "refused") return `refused (${entry.type})`;
  return `granted to domain ${entry.domain}, not to us`;
}

/** Closed after the grants are unmapped, so that the event can still be sent. */
function arm(
  undo: DisposableStack,
  host: XenHost,
  domain: number,
  grants: Grants,
  notice: NoticeOptions,
): void {
  if (grants.failed === grants.count) return;
  explained("arm unmap notice", () => {
    const port = notice.port === null ? null : bind(undo, host, domain, notice.port);
    grants.noticeUnmap({ port, clearByte: port === null ? 0 : null });
  });
}

function bind(undo: DisposableStack, host: XenHost, domain: number, port: number): number {
  const events = undo.use(openEvtchn(host.sys));
  return events.bindInterdomain(domain, port);
}

/** Maps frames: by PFN of a PV guest (`machine`: by machine frame), by GFN of any other. */
export function mapFrameList(
  frames: readonly number[],
  options: MapListOptions & { readonly machine: boolean },
): MappedList {
  using undo = new DisposableStack();
  const host = undo.use(openXenHost(options.sys ?? openSys(), options.write));
  const { domain, write } = options;
  const numbers = options.machine
    ? BigUint64Array.from(frames, BigInt)
    : hypervisorFrames(host, domain, frames);
  const mapped = undo.use(
    explained(
      "map frames",
      () =>
        write
          ? host.privcmd.mapWritableFrames(domain, numbers)
          : host.privcmd.mapFrames(domain, numbers),
    ),
  );
  return list(undo.move(), mapped, frames, (i) => {
    if (numbers[i] === NO_FRAME) return "hole: the guest has no memory there";
    return mapped.errnoOf(i);
  });
}

/** A frame number that no domain has. */
const NO_FRAME = 0xff_ffff_ffffn;

function hypervisorFrames(
  host: XenHost,
  domain: number,
  frames: readonly number[],
): BigUint64Array {
  const info = domainInfo(host, domain);
  if ((info.flags & DOMINF.hvm) !== 0) return BigUint64Array.from(frames, BigInt);
  const { mfns } = readP2m(host, info);
  return BigUint64Array.from(frames, (pfn) => {
    const mfn = pfn < mfns.length ? mfns[pfn] : NO_FRAME;
    return isOwnFrame(Number(mfn >> 32n)) ? mfn : NO_FRAME;
  });
}

function list(
  resources: DisposableStack,
  frames: Frames,
  numbers: readonly number[],
  faultOf: (index: number) => string | null,
): MappedList {
  const entries = numbers.map((number, i): MappedEntry => {
    const fault = faultOf(i);
    return { number, fault, preview: fault === null ? head(frames, i) : new Uint8Array(0) };
  });
  const mapped = entries.filter(({ fault }) => fault === null).length;
  return {
    entries,
    mapped,
    copy: frames.copy,
    [Symbol.dispose]: () => resources.dispose(),
  };
}

function head(frames: Frames, index: number): Uint8Array {
  const bytes = new Uint8Array(PREVIEW);
  return bytes.subarray(0, frames.copy(index * 4096, bytes).length);
}

/**
 * Whether a domain runs (or may at any moment): writing its memory then is a race with it. A domain
 * whose state the hypervisor does not tell counts as running. Throws `SourceError`.
 */
export function isRunning(domain: number, sys: Sys = openSys()): boolean {
  using host = openXenHost(sys, false);
  const info = tryDomainInfo(host, domain);
  return info === null || (info.flags & (DOMINF.paused | DOMINF.shutdown)) === 0;
}
