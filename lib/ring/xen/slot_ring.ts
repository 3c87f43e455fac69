/**
 * Request/response rings (io/ring.h): walked passively, front-end and back-end both hostile.
 *
 * ```text
 *   slot:  0   1   2   3   4   5   6   7         free-running u32 indices, slot = index mod size
 *        +---+---+---+---+---+---+---+---+
 *        | r | r | r | Q | Q | Q |   |   |       r response   Q request without a response
 *        +---+---+---+---+---+---+---+---+
 *                      ^rsp_prod   ^req_prod
 * ```
 *
 * A response takes the slot of the oldest request, whichever it answers: the requests between
 * rsp_prod and req_prod are those whose slots are not overwritten, and as many are outstanding.
 *
 * @module
 */
import { decodeBlkifRequest, decodeBlkifResponse } from "./blkif.ts";
import { rxRequests, rxResponses, txRequests, txResponses } from "./netif.ts";
import type {
  XenFinding,
  XenRing,
  XenRingConfig,
  XenRingEntry,
  XenRingIndices,
  XenRingSide,
  XenRingSnapshot,
} from "./snapshot.ts";
import { slotCount, slotSize, SRING } from "./spec.ts";

/** The slots [first, first + count) as the decoders see them: a copy. */
export interface Slots {
  readonly first: number;
  readonly count: number;
  readonly size: number;
  readonly abi: XenRingConfig["abi"];
  /** The bytes of slot `n` of `count`. */
  at(n: number): DataView;
}

/** Turns slots into entries. Never throws, whatever the bytes. */
export type SlotDecoder = (slots: Slots) => XenRingEntry[];

interface Header {
  readonly reqProd: number;
  readonly reqEvent: number;
  readonly rspProd: number;
  readonly rspEvent: number;
}

/** Opens a ring whose config says `blkif`, `netif-tx` or `netif-rx`. */
export function openSlotRing(config: XenRingConfig): XenRing {
  const size = slotCount(config.kind, config.abi, config.pages.length);
  return {
    config,
    indices: () => readIndices(config, size),
    snapshot: ({ recentCount = 8 } = {}) => readSnapshot(config, size, recentCount),
  };
}

function readHeader(config: XenRingConfig): Header | null {
  const bytes = new Uint8Array(16);
  if (config.pages.copy(0, bytes).length < 16) return null;
  const view = new DataView(bytes.buffer);
  return {
    reqProd: view.getUint32(SRING.req_prod, true),
    reqEvent: view.getUint32(SRING.req_event, true),
    rspProd: view.getUint32(SRING.rsp_prod, true),
    rspEvent: view.getUint32(SRING.rsp_event, true),
  };
}

function readIndices(config: XenRingConfig, size: number): XenRingIndices | null {
  const header = size === 0 ? null : readHeader(config);
  return header === null ? null : indicesOf(config, size, header, false, Date.now());
}

function indicesOf(
  config: XenRingConfig,
  size: number,
  header: Header,
  raced: boolean,
  time: number,
): XenRingIndices {
  const side = (name: string, from: XenRingSide["from"], producer: number, event: number) => ({
    ...{ name, from, producer, consumer: null, event, size },
  });
  return {
    kind: config.kind,
    sides: [
      side("requests", "front-end", header.reqProd, header.reqEvent),
      side("responses", "back-end", header.rspProd, header.rspEvent),
    ],
    inFlight: (header.reqProd - header.rspProd) >>> 0,
    size,
    raced,
    time,
  };
}

/** Header, entries, header again: what moved in between is said. */
function readSnapshot(config: XenRingConfig, size: number, recent: number): XenRingSnapshot {
  const time = Date.now();
  const header = size === 0 ? null : readHeader(config);
  if (header === null) return unreadable(config, size, time);
  const findings = checkIndices(header, size);
  const entries = findings.length > 0 ? [] : readEntries(config, size, header, recent);
  if (entries === null) return unreadable(config, size, time);
  const after = readHeader(config) ?? header;
  const raced = after.reqProd !== header.reqProd || after.rspProd !== header.rspProd;
  return {
    ...indicesOf(config, size, header, raced, time),
    abi: config.abi,
    kickWanted: header.reqEvent === ((header.reqProd + 1) >>> 0),
    callWanted: header.rspEvent === ((header.rspProd + 1) >>> 0),
    entries,
    text: "",
    findings: [...findings, ...duplicates(entries), ...entries.flatMap((entry) => entry.findings)],
    notes: [],
  };
}

function unreadable(config: XenRingConfig, size: number, time: number): XenRingSnapshot {
  const header = { reqProd: 0, reqEvent: 0, rspProd: 0, rspEvent: 0 };
  const text = size === 0
    ? `${config.pages.length} bytes hold no slot`
    : `${config.pages.label} can not be read`;
  const finding: XenFinding = {
    ...{ code: "ring-unreadable", place: "ring pages", section: "io/ring.h", text },
  };
  return {
    ...indicesOf(config, size, header, false, time),
    ...{ abi: config.abi, kickWanted: null, callWanted: null, entries: [], text: "", notes: [] },
    findings: [finding],
  };
}

/** RING_REQUEST_PROD_OVERFLOW and RING_RESPONSE_PROD_OVERFLOW. */
function checkIndices(header: Header, size: number): XenFinding[] {
  const outstanding = (header.reqProd - header.rspProd) >>> 0;
  if (outstanding <= size) return [];
  const values = `req_prod ${header.reqProd}, rsp_prod ${header.rspProd}, ${size} slots`;
  return [
    outstanding > 0x8000_0000
      ? { code: "response-ahead", place: "rsp_prod", section: "io/ring.h", text: values }
      : { code: "producer-jump", place: "req_prod", section: "io/ring.h", text: values },
  ];
}

function readEntries(
  config: XenRingConfig,
  size: number,
  header: Header,
  recent: number,
): XenRingEntry[] | null {
  const outstanding = (header.reqProd - header.rspProd) >>> 0;
  // Slots of outstanding requests hold no responses, and none were there before the first.
  const past = Math.min(recent, size - outstanding, header.rspProd);
  const responses = copySlots(config, size, (header.rspProd - past) >>> 0, past);
  const requests = copySlots(config, size, header.rspProd, outstanding);
  if (responses === null || requests === null) return null;
  const [decodeRequests, decodeResponses] = decoders(config);
  return [...decodeResponses(responses), ...decodeRequests(requests)];
}

function decoders(config: XenRingConfig): readonly [SlotDecoder, SlotDecoder] {
  if (config.kind === "netif-tx") return [txRequests, txResponses];
  if (config.kind === "netif-rx") return [rxRequests, rxResponses];
  return [decodeBlkifRequest, decodeBlkifResponse];
}

/** Copies slots once; the decoders see the copy alone. */
function copySlots(
  config: XenRingConfig,
  size: number,
  first: number,
  count: number,
): Slots | null {
  const width = slotSize(config.kind, config.abi);
  const bytes = new Uint8Array(count * width);
  for (let n = 0; n < count; n++) {
    const target = bytes.subarray(n * width, (n + 1) * width);
    const offset = SRING.SIZE + ((first + n) & (size - 1)) * width;
    if (config.pages.copy(offset, target).length < width) return null;
  }
  const at = (n: number) => new DataView(bytes.buffer, n * width, width);
  return { first, count, size, abi: config.abi, at };
}

function duplicates(entries: readonly XenRingEntry[]): XenFinding[] {
  const seen = new Map<string, number>();
  const findings: XenFinding[] = [];
  for (const { state, request, index } of entries) {
    const id = request.fields.id;
    if (state !== "outstanding" || id === undefined || id === null) continue;
    const first = seen.get(`${id}`);
    if (first === undefined) seen.set(`${id}`, index);
    else {
      const text = `requests ${first} and ${index} both have id ${id}`;
      const section = request.device === "vbd" ? "io/blkif.h" : "io/netif.h";
      findings.push({ code: "duplicate-id", place: `request ${index}`, section, text });
    }
  }
  return findings;
}
