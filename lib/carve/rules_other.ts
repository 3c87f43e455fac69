/**
 * Requests of console, entropy, balloon, input, GPU and memory devices: virtio 1.4, 5.3.6, 5.4.6,
 * 5.5.6, 5.8.6, 5.7.6 and 5.15.6.
 *
 * @module
 */
import { posted, readsOnly, type Rule, writesOnly, zeros } from "./rule.ts";
import type { Sample } from "./sample.ts";
import type { Look } from "./look.ts";

const MULTIPORT = 1n << 1n;
const STATS_VQ = 1n << 1n;
const PAGE = 4096;

/** Letters, digits, signs; of control characters backspace, tab, line ends and escape. */
// deno-lint-ignore no-control-regex
const TEXT = /^[\x08\x09\x0a\x0d\x1b\x20-\x7e\u00a0-\uffff]+$/u;

/** UTF-8 that a terminal would show; it may be cut in the middle of a character. */
function textBits(view: DataView, length: number): number | null {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, length);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return TEXT.test(text) ? Math.min(length, 16) * 0.75 : null;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function consoleTransmit(sample: Sample): number | null {
  if (!readsOnly(sample)) return null;
  const length = Math.min(sample.chain.readable, 64);
  const view = sample.request(length);
  return view === null ? null : textBits(view, length);
}

function consoleReceive(sample: Sample): number | null {
  if (!writesOnly(sample)) return null;
  // Linux posts a page for each buffer of a port.
  if (sample.fresh) return posted(sample, PAGE) ? 0.4 : 0;
  const length = Math.min(sample.chain.written ?? 0, 64);
  const view = sample.reply(length);
  return view === null || length === 0 ? null : textBits(view, length);
}

/** `struct virtio_console_control`: port, event, value. All zeros are not told from nothing. */
function consoleControl(view: DataView | null): number | null {
  if (view === null || zeros(view, 0, 8)) return null;
  const [port, event] = [view.getUint32(0, true), view.getUint16(4, true)];
  return port < 1024 && event <= 7 && view.getUint16(6, true) <= 1 ? 12 : null;
}

function controlTransmit(sample: Sample): number | null {
  const short = readsOnly(sample) && sample.chain.descriptors[0].length === 8;
  return short ? consoleControl(sample.request(8)) : null;
}

function controlReceive(sample: Sample): number | null {
  if (!writesOnly(sample)) return null;
  return sample.fresh ? (posted(sample, PAGE) ? 0.1 : 0) : consoleControl(sample.reply(8));
}

/** Bytes that are all over the place: random ones. Text and structures repeat themselves. */
function entropy(sample: Sample): number | null {
  if (!writesOnly(sample) || sample.chain.descriptors.length > 1) return null;
  if (sample.fresh) return 0;
  const length = Math.min(sample.chain.written ?? 0, 64);
  const view = sample.reply(length);
  if (view === null || length < 16) return null;
  const bytes = Array.from({ length }, (_, at) => view.getUint8(at));
  const spread = new Set(bytes).size / length;
  const high = bytes.filter((byte) => byte >= 0x80).length / length;
  return spread > 0.75 && high > 0.2 && high < 0.8 ? 8 : null;
}

/** Page numbers, each of a page that there is, none twice. */
function balloonPages(sample: Sample, look: Look): number | null {
  const count = Math.floor(sample.chain.readable / 4);
  if (!readsOnly(sample) || sample.chain.readable % 4 !== 0 || count > 256) return null;
  const view = sample.request(count * 4);
  if (view === null || count < 2) return null;
  const pages = Array.from({ length: count }, (_, n) => view.getUint32(n * 4, true));
  const there = pages.every((page) => look.isMemory(page * PAGE));
  return there && new Set(pages).size === count ? Math.min(count * 1.5, 16) : null;
}

/** Pairs of a tag, ascending in every driver, and a value. */
function balloonStats(sample: Sample): number | null {
  const { readable } = sample.chain;
  if (!readsOnly(sample) || readable % 10 !== 0 || readable < 20 || readable > 320) return null;
  const view = sample.request(readable);
  if (view === null) return null;
  const tags = Array.from({ length: readable / 10 }, (_, n) => view.getUint16(n * 10, true));
  const known = tags.every((tag) => tag <= 15);
  return known && new Set(tags).size === tags.length ? Math.min(tags.length * 3, 20) : null;
}

/** Driver posts buffers of one event each. */
function inputEvent(sample: Sample): number | null {
  if (!writesOnly(sample) || sample.chain.writable !== 8) return null;
  const event = sample.reply(8);
  if (event === null) return posted(sample, 8) ? 0.75 : 0;
  return event.getUint16(0, true) <= 0x1f && event.getUint16(2, true) < 0x300 ? 4 : null;
}

/** `struct virtio_gpu_ctrl_hdr`; commands are 2D, 3D or of the cursor. */
function gpu(sample: Sample, kinds: readonly number[]): number | null {
  const header = sample.request(24);
  if (header === null) return null;
  const type = header.getUint32(0, true);
  const known = kinds.includes(type >>> 8) && (type & 0xff) <= 0x10;
  return known && header.getUint32(4, true) <= 3 && zeros(header, 21, 3) ? 18 : null;
}

/** `struct virtio_mem_req` and its answer have fixed sizes. */
function memory({ chain, request }: Sample): number | null {
  const header = request(24);
  if (header === null || chain.readable !== 24 || chain.writable !== 10) return null;
  return header.getUint16(0, true) <= 3 && zeros(header, 2, 6) ? 16 : null;
}

/** Rules, the strictest first. */
export const OTHER_RULES: readonly Rule[] = [
  { device: "balloon", queue: 2, features: STATS_VQ, weigh: balloonStats },
  { device: "gpu", queue: 0, weigh: (sample) => gpu(sample, [1, 2]) },
  { device: "gpu", queue: 1, weigh: (sample) => gpu(sample, [3]) },
  { device: "mem", queue: 0, weigh: memory },
  { device: "console", queue: 3, features: MULTIPORT, weigh: controlTransmit },
  { device: "console", queue: 2, features: MULTIPORT, weigh: controlReceive },
  { device: "balloon", queue: 0, weigh: balloonPages },
  { device: "console", queue: 1, limit: 16, weigh: consoleTransmit },
  { device: "console", queue: 0, limit: 16, weigh: consoleReceive },
  { device: "input", queue: 0, limit: 10, weigh: inputEvent },
  { device: "rng", queue: 0, limit: 8, weigh: entropy },
];
