/**
 * Layout files: where memory and rings are, when nothing else can say it.
 *
 * The format is `ring-image/1`. One ring:
 *
 * ```json
 * { "format": "ring-image/1",
 *   "memory": [{ "file": "ram.raw", "gpa": "0x0", "size": 16777216, "offset": 0 }],
 *   "layout": "split", "features": "0x110000000", "queue_size": 256,
 *   "desc": "0x100000", "avail": "0x180000", "used": "0x1a0000", "last_avail_idx": 0 }
 * ```
 *
 * Several: `devices[]` with `name`, `type` (a virtio device id or its short name), `features` and
 * `queues[]`, each of which carries a ring's fields; `waiting[]` lists queues without addresses by
 * `index` and `note`. Addresses and features are `0x` strings or
 * exact numbers, sizes are bytes.
 * Unknown fields are ignored, so that the format can grow.
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../address.ts";
import type { BusPlace, Device, Queue } from "../guest/guest.ts";
import type { RingConfig, RingFormat, RingPosition } from "../ring/config.ts";
import { bit, integer, type Node, nodes, parseRoot, pathOf, quantity } from "./layout_fields.ts";
import { string, word, wrong } from "./layout_fields.ts";
import { queueName } from "../device/names.ts";
import { isXen, type LayoutBytes, parseBytes } from "./layout_bytes.ts";
import { typeId, typeName } from "./layout_types.ts";

export { isXen, type LayoutBytes, type XenBytes } from "./layout_bytes.ts";

/** The value of `format` that is understood. */
export const LAYOUT_FORMAT = "ring-image/1";

/** One entry of `memory[]`: [gpa, gpa + size) is [offset, offset + size) of the bytes. */
export interface LayoutMemory {
  readonly bytes: LayoutBytes;
  readonly gpa: bigint;
  /** Bytes; greater than 0. */
  readonly size: bigint;
  /** Bytes from the start of the file; 0 for `address`. */
  readonly offset: number;
  /** The front-end's address of it (`user_address`), or null. */
  readonly user: bigint | null;
  /** What the publisher calls it; empty where it does not say. */
  readonly name: string;
  /** JSON path of the entry, for errors: `memory[1]`. */
  readonly path: string;
}

/** One queue. */
export interface LayoutQueue {
  readonly index: number;
  /** Empty where the layout gives none. */
  readonly name: string;
  /** null for a queue of `waiting`: it has no addresses yet. */
  readonly ring: RingConfig | null;
  /** Why there is no ring; empty where there is one. */
  readonly note: string;
  /** fd numbers of eventfds in the process that published the layout. */
  readonly kickFd: number | null;
  readonly callFd: number | null;
}

/** One device. */
export interface LayoutDevice {
  readonly name: string;
  /** virtio device id; 0 where unknown. */
  readonly type: number;
  readonly bus: BusPlace;
  readonly status: number | null;
  readonly features: bigint;
  readonly queues: readonly LayoutQueue[];
  /** What the publisher says of it; mostly empty. */
  readonly note: string;
}

/** A parsed layout file. */
export interface Layout {
  /** Empty where the layout gives none. */
  readonly name: string;
  /** What kind of program this is (`demo`); empty where the layout does not say. */
  readonly kind: string;
  readonly memory: readonly LayoutMemory[];
  readonly devices: readonly LayoutDevice[];
}

/**
 * Parses a layout. Throws `ProtocolError` (protocol `layout`) that names the JSON path of what is
 * wrong: a missing or mistyped field, a wrong format, memory that overlaps or wraps past 2^64.
 * What rings may get wrong (size, alignment, place) is left to the walker, which reports it. Memory is
 * optional where the source finds it itself.
 */
export function parseLayout(text: string, memoryIs: "required" | "optional" = "required"): Layout {
  const root = parseRoot(text);
  word(root, "format", [LAYOUT_FORMAT]);
  const memory = (nodes(root, "memory") ?? []).map(parseMemory);
  if (memory.length === 0 && memoryIs === "required") {
    throw wrong("memory", "at least one entry", root.fields.memory);
  }
  checkOverlap(memory, "gpa", (entry) => entry.gpa);
  checkOverlap(memory.filter((entry) => entry.user !== null), "user_address", userOf);
  return {
    name: string(root, "name", ""),
    kind: string(root, "kind", ""),
    memory,
    devices: parseDevices(root),
  };
}

/** {@linkcode parseLayout} that gives the same object for the same text as the time before. */
export function layoutParser(): (text: string) => Layout {
  let last: { readonly text: string; readonly layout: Layout } | null = null;
  return (text) => {
    if (last?.text !== text) last = { text, layout: parseLayout(text) };
    return last.layout;
  };
}

/**
 * The devices of a layout as every source gives them. With a `pid`, queues whose eventfds are known
 * carry a notifier.
 */
export function layoutDevices(layout: Layout, pid: number | null): Device[] {
  return layout.devices.map((device) => ({
    ...device,
    vhost: null,
    queues: device.queues.map((queue) => guestQueue(device, queue, pid)),
  }));
}

function guestQueue(device: LayoutDevice, queue: LayoutQueue, pid: number | null): Queue {
  const { index, ring, note, kickFd, callFd } = queue;
  const common = { index, name: nameOf(device, queue), ring, note };
  if (pid === null || (kickFd === null && callFd === null)) return common;
  return { ...common, notifier: { pid, kickFd, callFd } };
}

/** As the layout says, else as the standard names the queues of that device type. */
function nameOf({ type, features, queues }: LayoutDevice, { index, name }: LayoutQueue): string {
  if (name !== "") return name;
  if (type === 0) return `queue${index}`;
  return queueName(type, index, { features, queueCount: queues.length });
}

/** Offsets in what is behind a region are numbers. */
const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);

function parseMemory(entry: Node): LayoutMemory {
  const size = quantity(entry, "size");
  const gpa = quantity(entry, "gpa");
  const user = quantity(entry, "user_address", null);
  if (size === 0n) throw wrong(pathOf(entry, "size"), "more than 0 bytes", 0);
  if (size > LARGEST) {
    throw wrong(pathOf(entry, "size"), `at most ${hex(LARGEST)} bytes`, entry.fields.size);
  }
  const bytes = parseBytes(entry);
  if (isXen(bytes) && gpa % 4096n !== 0n) {
    throw wrong(pathOf(entry, "gpa"), "a multiple of 4096", entry.fields.gpa);
  }
  const limit = ADDRESS_LIMIT - size;
  if (bytes.kind === "address" && bytes.address > limit) {
    throw wrong(pathOf(entry, "address"), `at most ${hex(limit)}`, entry.fields.address);
  }
  if (gpa > limit) throw wrong(pathOf(entry, "gpa"), `at most ${hex(limit)}`, entry.fields.gpa);
  if (user !== null && user > limit) {
    throw wrong(pathOf(entry, "user_address"), `at most ${hex(limit)}`, entry.fields.user_address);
  }
  const offset = integer(entry, "offset", Number.MAX_SAFE_INTEGER, 0);
  const name = string(entry, "name", "", true);
  return { bytes, gpa, size, offset, user, name, path: entry.path };
}

function userOf(entry: LayoutMemory): bigint {
  return entry.user as bigint;
}

function checkOverlap(
  memory: readonly LayoutMemory[],
  field: string,
  start: (entry: LayoutMemory) => bigint,
): void {
  const list = [...memory].sort((a, b) => (start(a) < start(b) ? -1 : 1));
  for (let i = 1; i < list.length; i++) {
    const end = start(list[i - 1]) + list[i - 1].size;
    if (end > start(list[i])) {
      const wanted = `${hex(end)} or more, where ${list[i - 1].path} ends`;
      throw wrong(`${list[i].path}.${field}`, wanted, hex(start(list[i])));
    }
  }
}

/** `devices[]`, or the single-ring form as one device with one queue, or no ring at all. */
function parseDevices(root: Node): LayoutDevice[] {
  const list = nodes(root, "devices");
  if (list === null) return "desc" in root.fields ? [singleRing(root)] : [];
  const names = new Set<string>();
  return list.map((device, index) => {
    const parsed = parseDevice(device, index, root);
    if (names.has(parsed.name)) throw wrong(pathOf(device, "name"), "a new name", parsed.name);
    names.add(parsed.name);
    return parsed;
  });
}

function singleRing(root: Node): LayoutDevice {
  const type = typeId(root);
  const queue = parseQueue(root, integer(root, "queue", 0xffff, 0), [root]);
  return {
    name: type === 0 ? "ring0" : `${typeName(type)}0`,
    type,
    bus: { kind: "none", id: "" },
    status: null,
    features: inherited([root], "features") ?? 0n,
    // The root's name is the image's, not the queue's.
    queues: [{ ...queue, name: "" }],
    note: "",
  };
}

function parseDevice(device: Node, index: number, root: Node): LayoutDevice {
  const type = typeId(device);
  const name = string(device, "name", `${typeName(type)}${index}`);
  if (/[:/]/.test(name)) throw wrong(pathOf(device, "name"), 'a name without ":" and "/"', name);
  const queues = nodes(device, "queues") ?? [];
  const parsed = queues.map((queue, n) => parseQueue(queue, n, [queue, device, root]));
  const waiting = (nodes(device, "waiting") ?? []).map(parseWaiting);
  return {
    name,
    type,
    bus: { kind: word(device, "bus", BUSES, "none"), id: string(device, "bus_id", "") },
    status: integer(device, "status", 0xff, null),
    features: inherited([device, root], "features") ?? 0n,
    queues: [...parsed, ...waiting].sort((a, b) => a.index - b.index),
    note: string(device, "note", "", true),
  };
}

const BUSES = ["pci", "mmio", "ccw", "xen", "vhost-user", "none"] as const;

function parseWaiting(queue: Node): LayoutQueue {
  const note = string(queue, "note", "not set up", true);
  const index = integer(queue, "index", 0xffff);
  return { index, name: "", ring: null, note, kickFd: null, callFd: null };
}

/** `scopes` are the queue's node and those it inherits `layout`, `features` and so on from. */
function parseQueue(queue: Node, index: number, scopes: readonly Node[]): LayoutQueue {
  return {
    index: integer(queue, "index", 0xffff, index),
    name: string(queue, "name", ""),
    ring: parseRing(queue, scopes),
    note: "",
    kickFd: integer(queue, "kick_fd", 0x7fff_ffff, null),
    callFd: integer(queue, "call_fd", 0x7fff_ffff, null),
  };
}

function parseRing(queue: Node, scopes: readonly Node[]): RingConfig {
  const formatScope = scopes.find((scope) => "layout" in scope.fields) ?? queue;
  const spaceScope = scopes.find((scope) => "address_space" in scope.fields) ?? queue;
  const start = position(queue, "last_avail_idx", "avail_wrap_counter");
  const used = position(queue, "last_used_idx", "used_wrap_counter");
  const format = word(formatScope, "layout", ["split", "packed"]);
  return {
    format,
    size: integer(queue, "queue_size", 0xffff),
    descriptor: quantity(queue, "desc"),
    driver: quantity(queue, areaName(queue, format, "driver", "avail")),
    device: quantity(queue, areaName(queue, format, "device", "used")),
    addressSpace: word(spaceScope, "address_space", ["guest", "user"], "guest"),
    features: inherited(scopes, "features") ?? 0n,
    ...(start === null ? {} : { start }),
    ...(used === null ? {} : { used }),
  };
}

/** Split rings call their areas avail and used; the general names serve both formats. */
function areaName(queue: Node, format: RingFormat, general: string, split: string): string {
  return format === "split" && !(general in queue.fields) ? split : general;
}

function inherited(scopes: readonly Node[], name: string): bigint | null {
  const scope = scopes.find((item) => name in item.fields);
  return scope === undefined ? null : quantity(scope, name);
}

/** A position is given by its index; the wrap counter starts at 1 (virtio 1.4, 2.8.1). */
function position(queue: Node, index: string, wrap: string): RingPosition | null {
  const value = integer(queue, index, 0xffff, null);
  return value === null ? null : { index: value, wrap: bit(queue, wrap, true) };
}
