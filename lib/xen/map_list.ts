/**
 * Maps a list of grants or frames of a domain as it is given: what can be mapped is, and of the rest
 * each says why not.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { openEvtchn } from "../../ffi/xen/evtchn.ts";
import type { Frames } from "../../ffi/xen/frames.ts";
import type { Grants } from "../../ffi/xen/gntdev.ts";
import { DOMINF, explained, openXenHost, tryDomainInfo, type XenHost } from "./host.ts";
import { mapFrames, mapGrants } from "./listed_frames.ts";

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
  // Below the grants, so that it is closed after they are unmapped and the event was sent.
  const channel = undo.use(new DisposableStack());
  const { frames, faultOf } = mapGrants(host, options.domain, refs);
  undo.use(frames);
  if (notice !== null) arm(channel, host, options.domain, frames, notice);
  return list(undo.move(), frames, refs, faultOf);
}

/** Has the kernel tell the domain, by an event or by a byte, when the grants are unmapped. */
function arm(
  channel: DisposableStack,
  host: XenHost,
  domain: number,
  grants: Grants,
  notice: NoticeOptions,
): void {
  if (grants.failed === grants.count) return;
  explained("arm unmap notice", () => {
    const port = notice.port === null ? null : bind(channel, host, domain, notice.port);
    grants.noticeUnmap({ port, clearByte: port === null ? 0 : null });
  });
}

function bind(channel: DisposableStack, host: XenHost, domain: number, port: number): number {
  const events = channel.use(openEvtchn(host.sys));
  return events.bindInterdomain(domain, port);
}

/** Maps frames: by PFN of a PV guest (`machine`: by machine frame), by GFN of any other. */
export function mapFrameList(
  numbers: readonly number[],
  options: MapListOptions & { readonly machine: boolean },
): MappedList {
  using undo = new DisposableStack();
  const host = undo.use(openXenHost(options.sys ?? openSys(), options.write));
  const { frames, faultOf } = mapFrames(host, options.domain, numbers, options.machine);
  undo.use(frames);
  return list(undo.move(), frames, numbers, faultOf);
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
