/**
 * Devices of a domain, as xenstore names them: both ends' states, ring references, event channels.
 *
 * Whatever a guest wrote there is untrusted: numbers are parsed strictly, texts stay unescaped for
 * the renderer, lists are bounded. Source of the keys: Xen's public `io/{blkif,netif,console}.h` and
 * `docs/misc/xenstore-paths.pandoc`.
 *
 * @module
 */
import type { XenRingAbi, XenRingKind } from "../ring/xen/spec.ts";
import type { StoreReader } from "./store.ts";

/** Where a shared ring is: grants of its pages in order, or one frame. */
export type RingPages =
  | { readonly by: "grants"; readonly refs: readonly number[] }
  | { readonly by: "frame"; readonly frame: bigint };

/** One ring of a device. */
export interface XenRingPlace {
  readonly index: number;
  /** `ring`, `rx0`, `tx0`. */
  readonly name: string;
  readonly kind: XenRingKind;
  readonly abi: XenRingAbi;
  /** null where the front-end has not said it. */
  readonly pages: RingPages | null;
  /** The front-end's port. */
  readonly port: number | null;
}

/** One device. */
export interface XenDevice {
  /** `vbd-51712`, `vif-0`, `console`, `xenstore`, `virtio-0`. */
  readonly name: string;
  /** virtio device id of the same kind of device; 0 where there is none. */
  readonly type: number;
  readonly backend: number;
  readonly rings: readonly XenRingPlace[];
  /** States of both ends where they are not connected, and what else is to be known. */
  readonly note: string;
}

/** enum xenbus_state. */
const STATES = [
  "unknown",
  "initialising",
  "init-wait",
  "initialised",
  "connected",
  "closing",
  "closed",
  "reconfiguring",
  "reconfigured",
];
const CONNECTED = "4";

/** virtio ids of device/TYPE in xenstore. */
const TYPES: { readonly [type: string]: number } = { vbd: 2, vif: 1, console: 3 };

const DEVICE_LIMIT = 512;
const QUEUE_LIMIT = 256;
/** 2^4 pages: what back-ends of today take at most. */
const PAGE_ORDER_LIMIT = 4;

/** Reads a subtree's keys as strings. */
interface Keys {
  readonly path: string;
  text(key: string): Promise<string | null>;
  /** null where there is none, or what stands there is no number. */
  number(key: string): Promise<number | null>;
}

function keys(store: StoreReader, path: string): Keys {
  const text = (key: string) => store.read(`${path}/${key}`);
  return {
    path,
    text,
    number: async (key) => parseNumber(await text(key)),
  };
}

/** References and ports have 32 bits: a larger number would be taken for another one. */
function parseNumber(text: string | null): number | null {
  const number = text !== null && /^[0-9]{1,10}$/.test(text) ? Number(text) : Infinity;
  return number <= 0xffff_ffff ? number : null;
}

/** Devices of a domain. Throws `XenstoreError` and what the store throws. */
export async function readXenDevices(store: StoreReader, domain: number): Promise<XenDevice[]> {
  const base = `/local/domain/${domain}`;
  const devices = [await xenstoreDevice(store, base), await primaryConsole(store, base)];
  for (const type of await store.list(`${base}/device`) ?? []) {
    if (!/^[a-z0-9_]+$/i.test(type)) continue;
    for (const id of await store.list(`${base}/device/${type}`) ?? []) {
      if (!/^[0-9]+$/.test(id) || devices.length >= DEVICE_LIMIT) continue;
      devices.push(await frontEnd(store, keys(store, `${base}/device/${type}/${id}`), type, id));
    }
  }
  devices.push(...await virtioDevices(store, domain));
  return devices.filter((device) => device !== null);
}

/** The first console and the store: set up by the toolstack, by frame number. */
async function primaryConsole(store: StoreReader, base: string): Promise<XenDevice | null> {
  const at = keys(store, `${base}/console`);
  const type = await at.text("type");
  const note = type === null || type === "xenconsoled" ? "" : `served by ${type}`;
  return await frameDevice(at, "console", 3, await at.number("backend-id") ?? 0, note);
}

async function xenstoreDevice(store: StoreReader, base: string): Promise<XenDevice | null> {
  return await frameDevice(keys(store, `${base}/store`), "xenstore", 0, 0, "");
}

async function frameDevice(
  at: Keys,
  name: "console" | "xenstore",
  type: number,
  backend: number,
  note: string,
): Promise<XenDevice | null> {
  const text = await at.text("ring-ref");
  const port = await at.number("port");
  if (text === null && port === null) return null;
  const frame = text !== null && /^[0-9]{1,16}$/.test(text) ? BigInt(text) : null;
  const pages: RingPages | null = frame === null || frame === 0n ? null : { by: "frame", frame };
  const ring = { index: 0, name: "ring", kind: name, abi: "x86_64-abi", pages, port } as const;
  return { name, type, backend, rings: [ring], note };
}

async function frontEnd(
  store: StoreReader,
  at: Keys,
  type: string,
  id: string,
): Promise<XenDevice> {
  const backend = await at.number("backend-id") ?? 0;
  const rings = type === "vbd"
    ? await vbdRings(store, at)
    : type === "vif"
    ? await vifRings(store, at)
    : type === "console"
    ? await consoleRings(at)
    : [];
  const note = await stateNote(store, at);
  return { name: `${type}-${id}`, type: TYPES[type] ?? 0, backend, rings, note };
}

/** What the guest names as its back-end's node: one that xenstore would refuse is none. */
const BACKEND_PATH = /^\/local\/domain\/[0-9]+\/backend(\/[A-Za-z0-9_-]+)+$/;
const BACKEND_PATH_LIMIT = 1024;

async function stateNote(store: StoreReader, at: Keys): Promise<string> {
  const front = await at.text("state");
  const path = await at.text("backend");
  const valid = path !== null && path.length <= BACKEND_PATH_LIMIT && BACKEND_PATH.test(path);
  const back = valid ? await store.read(`${path}/state`) : null;
  if (front === CONNECTED && back === CONNECTED) return "";
  return `front-end ${stateName(front)}, back-end ${valid ? stateName(back) : "unknown"}`;
}

function stateName(text: string | null): string {
  const state = parseNumber(text);
  return state === null ? "absent" : STATES[state] ?? `state ${state}`;
}

/**
 * Queues stand under queue-N where there are several, else beside the other keys. A guest may claim
 * any number of them: those that it has made nodes for are asked for, which its quota bounds.
 */
async function queueKeys(store: StoreReader, at: Keys): Promise<Keys[]> {
  const claimed = await at.number("multi-queue-num-queues") ?? 0;
  if (claimed === 0) return [at];
  const made = new Set(await store.list(at.path));
  const keys: Keys[] = [];
  for (let i = 0; i < Math.min(claimed, QUEUE_LIMIT) && made.has(`queue-${i}`); i++) {
    keys.push(below(at, `queue-${i}`));
  }
  return keys.length === 0 ? [at] : keys;
}

function below(at: Keys, path: string): Keys {
  return {
    path: `${at.path}/${path}`,
    text: (key) => at.text(`${path}/${key}`),
    number: (key) => at.number(`${path}/${key}`),
  };
}

async function vbdRings(store: StoreReader, at: Keys): Promise<XenRingPlace[]> {
  const abi = abiName(await at.text("protocol"));
  const order = await ringOrder(at);
  const queues = await queueKeys(store, at);
  const rings: XenRingPlace[] = [];
  for (const [index, queue] of queues.entries()) {
    const refs = await ringRefs(queue, "ring-ref", order);
    const port = await queue.number("event-channel");
    const name = queues.length === 1 ? "ring" : `ring${index}`;
    rings.push({ index, name, kind: "blkif", abi, pages: refs && { by: "grants", refs }, port });
  }
  return rings;
}

function abiName(text: string | null): XenRingAbi {
  return text === "x86_32-abi" || text === "arm-abi" ? text : "x86_64-abi";
}

async function ringOrder(at: Keys): Promise<number> {
  const order = await at.number("ring-page-order");
  const pages = await at.number("num-ring-pages");
  const wanted = order ?? (pages === null || pages < 1 ? 0 : Math.floor(Math.log2(pages)));
  return Math.min(wanted, PAGE_ORDER_LIMIT);
}

/** `ring-ref` for one page, `ring-ref0` … for several. Null where one of them is not there. */
async function ringRefs(at: Keys, key: string, order: number): Promise<number[] | null> {
  const single = await at.number(key);
  if (single !== null) return [single];
  const refs: number[] = [];
  for (let i = 0; i < 1 << order; i++) {
    const ref = await at.number(`${key}${i}`);
    if (ref === null) return null;
    refs.push(ref);
  }
  return refs;
}

/** In virtio's order: the receive ring of queue pair n has index 2n, its transmit ring 2n + 1. */
async function vifRings(store: StoreReader, at: Keys): Promise<XenRingPlace[]> {
  const queues = await queueKeys(store, at);
  const rings: XenRingPlace[] = [];
  for (const [pair, queue] of queues.entries()) {
    const shared = await queue.number("event-channel");
    for (const [offset, way] of (["rx", "tx"] as const).entries()) {
      const refs = await ringRefs(queue, `${way}-ring-ref`, 0);
      const port = shared ?? await queue.number(`event-channel-${way}`);
      rings.push({
        ...{ index: 2 * pair + offset, name: `${way}${pair}`, kind: `netif-${way}` },
        ...{ abi: "x86_64-abi", pages: refs && { by: "grants", refs }, port },
      });
    }
  }
  return rings;
}

async function consoleRings(at: Keys): Promise<XenRingPlace[]> {
  const refs = await ringRefs(at, "ring-ref", 0);
  const port = await at.number("port") ?? await at.number("event-channel");
  const pages = refs && { by: "grants" as const, refs };
  return [{ index: 0, name: "ring", kind: "console", abi: "x86_64-abi", pages, port }];
}

/** virtio-mmio devices that a device model serves: their rings are in its registers. */
async function virtioDevices(store: StoreReader, domain: number): Promise<XenDevice[]> {
  const path = `/local/domain/0/backend/virtio/${domain}`;
  const devices: XenDevice[] = [];
  for (const id of (await store.list(path) ?? []).slice(0, DEVICE_LIMIT)) {
    if (!/^[0-9]+$/.test(id)) continue;
    const at = keys(store, `${path}/${id}`);
    const match = /^virtio,device([0-9a-f]{1,4})$/i.exec(await at.text("type") ?? "");
    const base = await at.text("base") ?? "?";
    const grants = await at.text("grant_usage") === "1" ? ", by grants" : "";
    const note = `virtio-mmio registers at ${base}${grants}; give rings with --layout`;
    const type = match === null ? 0 : parseInt(match[1], 16);
    devices.push({ name: `virtio-${id}`, type, backend: 0, rings: [], note });
  }
  return devices;
}
