/**
 * Traditional memory balloon device: virtio 1.4, 5.5.6.
 *
 * @module
 */
import { hex } from "../address.ts";
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType, Field } from "./decoder.ts";
import { bounded, decoded, type Exchange, exchange, plural, sentence } from "./exchange.ts";
import { countOf, le32, nameOf, type Names, u16, u32, u64, when } from "./kind.ts";
import { balloonQueueRoles, QUEUE_NAMERS } from "./queue_roles.ts";

/** Pages of a balloon are of 4096 bytes whatever the guest's are. */
const PAGE_SIZE = 4096;

/** `struct virtio_balloon_stat`, packed. */
const STAT = { tag: u16, val: u64 };
const STAT_SIZE = 10;

/** 5.5.6.4; from OOM_KILL on Linux's own. */
const TAGS: Names = [
  "SWAP_IN",
  "SWAP_OUT",
  "MAJFLT",
  "MINFLT",
  "MEMFREE",
  "MEMTOT",
  "AVAIL",
  "CACHES",
  "HTLB_PGALLOC",
  "HTLB_PGFAIL",
  "OOM_KILL",
  "ALLOC_STALL",
  "ASYNC_SCAN",
  "DIRECT_SCAN",
  "ASYNC_RECLAIM",
  "DIRECT_RECLAIM",
];

type Role = "inflate" | "deflate" | "stats" | "free-page" | "reporting";

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest | null {
  const x = exchange(bytes, context);
  switch (balloonQueueRoles(context.features)[context.queue]) {
    case "inflate":
      return decodePages(x, "inflate");
    case "deflate":
      return decodePages(x, "deflate");
    case "stats":
      return decodeStats(x);
    case "free-page":
      return decodeHint(x);
    case "reporting":
      return decodeReport(x);
    default:
      return null;
  }
}

function decodePages(x: Exchange, type: string): DecodedRequest {
  if (x.readable % 4 !== 0) x.notes.push(`${x.readable} bytes are not a list of 32-bit numbers`);
  const pageCount = Math.floor(x.readable / 4);
  const pages = bounded(pageCount, () => x.request.struct("page number", { pfn: u32 }).pfn);
  const addresses = pages.map((pfn) => hex(pfn * PAGE_SIZE));
  const from = addresses.length > 0 && `from ${addresses[0]}`;
  return decoded("balloon", type, x, sentence([type, plural(pageCount, "page"), from]), {
    pageCount,
    pages: addresses,
  });
}

function decodeStats(x: Exchange): DecodedRequest {
  if (x.readable % STAT_SIZE !== 0) {
    x.notes.push(`${x.readable} bytes are not a multiple of ${STAT_SIZE}`);
  }
  const statCount = Math.floor(x.readable / STAT_SIZE);
  const stats: { [tag: string]: Field } = {};
  const words = bounded(statCount, () => {
    const { tag, val } = x.request.struct("virtio_balloon_stat", STAT);
    if (tag === undefined || val === undefined) return undefined;
    stats[nameOf(TAGS, tag)] = countOf(val);
    return `${nameOf(TAGS, tag)} ${countOf(val)}`;
  });
  return decoded("balloon", "stats", x, sentence(["stats", words.slice(0, 4).join(", ")]), {
    statCount,
    stats,
  });
}

/** 5.5.6.5: a command id alone, or the hinted pages as a writable part. */
function decodeHint(x: Exchange): DecodedRequest {
  if (x.readable === 0) {
    if (x.writable === 0) x.notes.push("neither a command nor a page");
    return decoded("balloon", "free-page", x, `hints ${plural(x.writable, "free byte")}`, {
      freeLength: x.writable || undefined,
    });
  }
  const { cmdId } = x.request.struct("free page hint", { cmdId: u32 });
  const id = cmdId === undefined ? "incomplete" : nameOf(["STOP", "DONE"], cmdId);
  return decoded("balloon", "free-page", x, `free page hint command ${id}`, {
    cmdId: cmdId === undefined ? undefined : id,
  });
}

function decodeReport(x: Exchange): DecodedRequest {
  return decoded("balloon", "reporting", x, `reports ${plural(x.writable, "free byte")}`, {
    freeLength: x.writable,
  });
}

/** Traditional memory balloon device (id 5). */
export const balloon: DeviceType = {
  id: 5,
  name: "balloon",
  features: {
    0: "MUST_TELL_HOST",
    1: "STATS_VQ",
    2: "DEFLATE_ON_OOM",
    3: "FREE_PAGE_HINT",
    4: "PAGE_POISON",
    5: "PAGE_REPORTING",
  },
  /** Little-endian in legacy devices too (5.5.4). */
  config: {
    numPages: le32,
    actual: le32,
    freePageHintCmdId: when(3, le32),
    poisonVal: when(4, le32),
  },
  queueName: QUEUE_NAMERS.balloon,
  decode,
};
