/**
 * Byte rings: a domain's console (io/console.h) and its channel to xenstored (io/xs_wire.h). Both
 * have two directions with all four indices in the page, so what nobody took yet is known exactly.
 *
 * @module
 */
import type { DecodedRequest } from "../../device/decoder.ts";
import { messagesEndingAt, messagesFrom, type PlacedMessage } from "./store_stream.ts";
import type {
  XenFinding,
  XenRing,
  XenRingConfig,
  XenRingEntry,
  XenRingIndices,
  XenRingSide,
  XenRingSnapshot,
} from "./snapshot.ts";
import { XENCONS, XENSTORE } from "./spec.ts";

/** Where one direction stands in its page. */
interface Direction {
  readonly name: string;
  readonly from: XenRingSide["from"];
  readonly offset: number;
  readonly size: number;
  readonly producer: number;
  readonly consumer: number;
}

const CONSOLE: readonly Direction[] = [
  {
    ...{ name: "in", from: "back-end", offset: XENCONS.in, size: XENCONS.inSize },
    ...{ producer: XENCONS.in_prod, consumer: XENCONS.in_cons },
  },
  {
    ...{ name: "out", from: "front-end", offset: XENCONS.out, size: XENCONS.outSize },
    ...{ producer: XENCONS.out_prod, consumer: XENCONS.out_cons },
  },
];

const STORE: readonly Direction[] = [
  {
    ...{ name: "req", from: "front-end", offset: XENSTORE.req, size: XENSTORE.ringSize },
    ...{ producer: XENSTORE.req_prod, consumer: XENSTORE.req_cons },
  },
  {
    ...{ name: "rsp", from: "back-end", offset: XENSTORE.rsp, size: XENSTORE.ringSize },
    ...{ producer: XENSTORE.rsp_prod, consumer: XENSTORE.rsp_cons },
  },
];

/** Bytes of the page that are looked at. */
const PAGE_SIZE = 4096;

/** Opens a ring whose config says `console` or `xenstore`. */
export function openByteRing(config: XenRingConfig): XenRing {
  const directions = config.kind === "console" ? CONSOLE : STORE;
  return {
    config,
    indices: () => indices(config, directions),
    snapshot: ({ recentCount = 8 } = {}) => snapshot(config, directions, recentCount),
  };
}

function readPage(config: XenRingConfig): DataView | null {
  const bytes = new Uint8Array(PAGE_SIZE);
  return config.pages.copy(0, bytes).length < PAGE_SIZE ? null : new DataView(bytes.buffer);
}

function sidesOf(page: DataView, directions: readonly Direction[]): XenRingSide[] {
  return directions.map(({ name, from, size, producer, consumer }) => ({
    ...{ name, from, size, event: null },
    producer: page.getUint32(producer, true),
    consumer: page.getUint32(consumer, true),
  }));
}

function untaken(side: XenRingSide): number {
  return (side.producer - (side.consumer ?? 0)) >>> 0;
}

function indices(config: XenRingConfig, directions: readonly Direction[]): XenRingIndices | null {
  const time = Date.now();
  const page = readPage(config);
  return page === null ? null : indicesOf(config, sidesOf(page, directions), false, time);
}

function indicesOf(
  config: XenRingConfig,
  sides: readonly XenRingSide[],
  raced: boolean,
  time: number,
): XenRingIndices {
  return {
    kind: config.kind,
    sides,
    inFlight: sides.reduce((sum, side) => sum + untaken(side), 0),
    size: Math.max(0, ...sides.map((side) => side.size)),
    raced,
    time,
  };
}

/** The page is copied once and all is read from the copy; a second look tells whether it moved. */
function snapshot(
  config: XenRingConfig,
  directions: readonly Direction[],
  recent: number,
): XenRingSnapshot {
  const time = Date.now();
  const page = readPage(config);
  if (page === null) return unreadable(config, time);
  const sides = sidesOf(page, directions);
  const findings = sides.flatMap(checkSide(config));
  const streams = findings.length > 0 ? [] : directions.map((direction, i) => ({
    side: sides[i],
    bytes: (first: number, count: number) => streamBytes(page, direction, first, count),
  }));
  const entries = config.kind === "xenstore"
    ? streams.flatMap((stream) => storeEntries(stream, recent))
    : [];
  const after = readPage(config);
  const raced = after === null ||
    sidesOf(after, directions).some((side, i) =>
      side.producer !== sides[i].producer || side.consumer !== sides[i].consumer
    );
  return {
    ...indicesOf(config, sides, raced, time),
    ...{ abi: config.abi, kickWanted: null, callWanted: null, entries },
    text: config.kind === "console" && streams.length > 0 ? consoleText(streams[1]) : "",
    findings: [...findings, ...entries.flatMap((entry) => entry.findings)],
    notes: notesOf(config, page),
  };
}

function unreadable(config: XenRingConfig, time: number): XenRingSnapshot {
  const text = `${config.pages.label} can not be read`;
  const place = "ring page";
  return {
    ...indicesOf(config, [], false, time),
    ...{ abi: config.abi, kickWanted: null, callWanted: null, entries: [], text: "", notes: [] },
    findings: [{ code: "ring-unreadable", place, section: sectionOf(config), text }],
  };
}

function sectionOf(config: XenRingConfig): string {
  return config.kind === "console" ? "io/console.h" : "io/xs_wire.h";
}

function checkSide(config: XenRingConfig): (side: XenRingSide) => XenFinding[] {
  return (side) => {
    if (untaken(side) <= side.size) return [];
    const text = `${side.name}_prod ${side.producer}, ${side.name}_cons ${side.consumer}, ` +
      `${side.size} bytes`;
    const place = `${side.name}_prod`;
    return [{ code: "producer-jump", place, section: sectionOf(config), text }];
  };
}

/** Bytes [first, first + count) of a stream, which the caller keeps within one ring's size. */
function streamBytes(
  page: DataView,
  direction: Direction,
  first: number,
  count: number,
): Uint8Array {
  const { offset, size } = direction;
  return Uint8Array.from(
    { length: count },
    (_, i) => page.getUint8(offset + ((first + i) & (size - 1))),
  );
}

interface Stream {
  readonly side: XenRingSide;
  bytes(first: number, count: number): Uint8Array;
}

/** The last bytes that were produced: the whole ring, less what was never written. */
function consoleText({ side, bytes }: Stream): string {
  const count = Math.min(side.size, side.producer);
  return new TextDecoder().decode(bytes((side.producer - count) >>> 0, count));
}

/** Messages that were taken, as far as they can still be told apart, and those that were not. */
function storeEntries({ side, bytes }: Stream, recent: number): XenRingEntry[] {
  const waiting = untaken(side);
  const taken = Math.min(side.size - waiting, side.consumer ?? 0);
  const history = messagesEndingAt(bytes(((side.consumer ?? 0) - taken) >>> 0, taken));
  const passed = recent === 0 ? [] : history.slice(-recent);
  const pending = messagesFrom(bytes(side.consumer ?? 0, waiting));
  const base = ((side.consumer ?? 0) - taken) >>> 0;
  return [
    ...passed.map((message) => storeEntry(side, base, message, "passed")),
    ...pending.map((message) => storeEntry(side, side.consumer ?? 0, message, "pending")),
  ];
}

function storeEntry(
  side: XenRingSide,
  base: number,
  message: PlacedMessage,
  state: XenRingEntry["state"],
): XenRingEntry {
  const index = (base + message.offset) >>> 0;
  const request: DecodedRequest = {
    device: "xenstore",
    type: message.name,
    summary: `${message.name} ${message.text}`.trimEnd(),
    fields: { stream: side.name, requestId: message.requestId, transaction: message.transaction },
    notes: message.complete ? [] : ["the message is not all there yet"],
  };
  const findings: XenFinding[] = message.fault === null ? [] : [{
    ...{ code: "message-invalid", place: `${side.name} byte ${index}`, section: "io/xs_wire.h" },
    text: message.fault,
  }];
  return { index, slot: index & (side.size - 1), state, request, findings };
}

function notesOf(config: XenRingConfig, page: DataView): string[] {
  if (config.kind === "console") {
    return page.getUint8(XENCONS.connection) === 1 ? ["the back-end is not connected"] : [];
  }
  const error = page.getUint32(XENSTORE.error, true);
  const connection = page.getUint32(XENSTORE.connection, true);
  return [
    ...(connection === 0 ? [] : [`connection state ${connection}: reconnecting`]),
    ...(error === 0 ? [] : [`xenstored reports error ${error} on this ring`]),
  ];
}
