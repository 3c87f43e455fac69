/**
 * A Xen guest's memory as regions: found at attach, mapped when it is read.
 *
 * @module
 */
import type { DomainInfo } from "../../ffi/xen/hypercall.ts";
import { guestAddress } from "../address.ts";
import { SourceError } from "../errors.ts";
import type { Region } from "../memory/region.ts";
import { type FrameRun, runsOfP2m } from "./frame_runs.ts";
import { scanGfns } from "./frame_scan.ts";
import { DOMINF, explained, type XenHost } from "./host.ts";
import { readP2m } from "./p2m.ts";
import { openWindow, type Window } from "./window.ts";

/** Frames of a PV guest by PFN, or of any other by GFN, as the hypervisor wants them named. */
export interface GuestFrames {
  /** `pfn` (machine frames stand behind them) or `gfn`. */
  readonly space: "pfn" | "gfn";
  /** One past the highest frame. */
  readonly end: number;
  readonly runs: readonly FrameRun[];
  /** What to give the hypervisor for [first, first + count); frames without memory fail there. */
  list(first: number, count: number): BigUint64Array;
  readonly notes: readonly string[];
}

/** A frame number that no domain has. */
const NO_FRAME = 0xff_ffff_ffffn;
/** Frames of a piece (8 MiB: a mapping costs by the call and by the frame), and pieces at a time. */
const PIECE_FRAMES = 2048;
const PIECE_LIMIT = 8;
/** Guest frames below 4 GiB: RAM stands below the hole there or above all of it. */
const LOW_FRAMES = 2 ** 20;
/** Frames for what a toolstack adds beside RAM. */
const EXTRA_FRAMES = 2 ** 16;

/** Finds where a guest's memory is. Throws `SourceError`. */
export function findFrames(
  host: XenHost,
  info: DomainInfo,
  aborted: () => boolean,
): GuestFrames {
  return (info.flags & DOMINF.hvm) === 0
    ? pvFrames(host, info)
    : translatedFrames(host, info, aborted);
}

/** What to give the hypervisor for guest frames [first, first + count). */
type FrameLister = GuestFrames["list"];

/**
 * The frames of a guest by somebody else's word of where they are (a vhost-user front-end's): nothing
 * is looked for. Throws `SourceError`.
 */
export function frameLister(host: XenHost, info: DomainInfo): FrameLister {
  if ((info.flags & DOMINF.hvm) === 0) return listMfns(readP2m(host, info).mfns);
  refuseOnDemand(host, info.domain);
  return listGfns;
}

function listMfns(mfns: BigUint64Array): FrameLister {
  return (first, count) => {
    const list = new BigUint64Array(count).fill(NO_FRAME);
    list.set(mfns.subarray(first, first + count));
    return list;
  };
}

function listGfns(first: number, count: number): BigUint64Array {
  const list = new BigUint64Array(count);
  const words = new Uint32Array(list.buffer);
  // The low words alone, which spares as many bigints: almost every frame fits into 32 bits.
  for (let i = 0; i < count; i++) words[2 * i] = first + i;
  if (first + count > 2 ** 32) { for (let i = 0; i < count; i++) list[i] = BigInt(first + i); }
  return list;
}

function pvFrames(host: XenHost, info: DomainInfo): GuestFrames {
  const { mfns, notes } = readP2m(host, info);
  return { space: "pfn", end: mfns.length, runs: runsOfP2m(mfns), list: listMfns(mfns), notes };
}

/** HVM and PVH guests, and every guest on ARM: the hypervisor translates guest frames. */
function translatedFrames(
  host: XenHost,
  info: DomainInfo,
  aborted: () => boolean,
): GuestFrames {
  const { domain, totalPages, maxPages } = info;
  refuseOnDemand(host, domain);
  const highest = explained("find highest frame", () => host.calls.maximumGfn(domain)) + 1;
  const limit = Math.min(highest, LOW_FRAMES + maxPages + EXTRA_FRAMES);
  const scan = scanGfns(host, { domain, limit, wanted: totalPages, aborted });
  const notes = limit < highest
    ? [`frames from 0x${limit.toString(16)} to 0x${highest.toString(16)} were not looked for`]
    : [];
  return {
    space: "gfn",
    end: Math.max(limit, 1),
    runs: scan.runs,
    list: listGfns,
    notes: [...notes, `${scan.found} of ${totalPages} pages found in ${scan.scanned} frames`],
  };
}

/** Mapping a frame that is populated on demand populates it: the guest could run out of memory. */
function refuseOnDemand(host: XenHost, domain: number): void {
  const entries = explained("read populate-on-demand state", () => {
    try {
      return host.calls.populateOnDemand(domain);
    } catch (error) {
      if (error instanceof Error && "errno" in error && error.errno === "ENOSYS") return 0;
      throw error;
    }
  });
  if (entries === 0) return;
  const text = `${entries} frames of domain ${domain} are populated on demand`;
  const remedy = "looking for its memory would change it: name frames with --frames, " +
    "or let its balloon driver come up";
  throw new SourceError("xen", "find memory", "unsupported", text, remedy);
}

/** A window over all frames of a guest. Offsets are guest (pseudo-)physical addresses. */
export function openFrameWindow(
  host: XenHost,
  domain: number,
  frames: Pick<GuestFrames, "end" | "list">,
): Window {
  return openWindow({
    length: frames.end * 4096,
    label: `foreign frames of domain ${domain}`,
    pieceSize: PIECE_FRAMES * 4096,
    pieceLimit: PIECE_LIMIT,
    map(index) {
      const first = index * PIECE_FRAMES;
      const list = frames.list(first, Math.min(PIECE_FRAMES, frames.end - first));
      return host.write
        ? host.privcmd.mapWritableFrames(domain, list)
        : host.privcmd.mapFrames(domain, list);
    },
  });
}

/** A region per run. */
export function frameRegions(frames: GuestFrames, window: Window, write: boolean): Region[] {
  return frames.runs.map(({ first, count }, index) => ({
    guest: guestAddress(BigInt(first) * 4096n),
    length: BigInt(count) * 4096n,
    backing: window,
    offset: first * 4096,
    access: write ? "rw" : "ro",
    name: `ram${index}`,
    user: null,
  }));
}
