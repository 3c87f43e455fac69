/**
 * Recorded conversations of DPDK 22.11 and QEMU 7.2: `tests/fixtures/vhost_user`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  decodeHeader,
  decodeMessage,
  type Dialect,
  encodeHeader,
  FRESH_DIALECT,
  HEADER_FLAG,
  type Message,
} from "../../lib/wire/vhost_user/vhost_user.ts";

const FIXTURES = new URL("../fixtures/vhost_user/", import.meta.url);

/** Names of the recordings. */
export const CONVERSATIONS = [
  "dpdk-reconn_bekill_packed.jsonl",
  "dpdk-reconn_fekill_split.jsonl",
  "dpdk-tap_packed.jsonl",
  "dpdk-tap_split.jsonl",
  "dpdk-tap_split_nohuge.jsonl",
  "qemu-tap-addmemreg.jsonl",
  "qemu-tap-setmemtable-6g.jsonl",
  "qemu-tap-virtiofsd.jsonl",
];

/** A line of a recording by the DPDK lab (`payload`) or the QEMU lab (`info`, `ver` …). */
// deno-fmt-ignore
export interface Line {
  id: number; dir?: string; flags?: number; size: number; payload?: string; name?: string; req?: string;
  ver: number; reply: boolean; need_reply: boolean; info: Info; u64?: string;
  regions?: { gpa: number; size: number; uva: number; off: number }[];
  vring?: { index: number; flags: number; desc: number; used: number; avail: number; log: number };
}
interface Info extends Record<string, string | number | boolean | Region | Region[]> {}
type Region = { gpa: string; size: string; uaddr: string; mmap_offset: string };

async function lines(file: string): Promise<Line[]> {
  const text = await Deno.readTextFile(new URL(file, FIXTURES));
  return text.trim().split("\n").map((line) => JSON.parse(line)).filter((line) => line.dir);
}

/** Every message of a file, decoded in order, with the line it came from. */
export async function* conversation(file: string): AsyncGenerator<[Line, Uint8Array, Message]> {
  let dialect: Dialect = FRESH_DIALECT;
  for (const line of await lines(file)) {
    const payload = line.payload === undefined ? payloadOf(line) : fromHex(line.payload);
    assertEquals(payload.length, line.size, `${file}: ${JSON.stringify(line)}`);
    const flags = line.flags ?? flagsOf(line);
    const header = encodeHeader({ request: line.id, flags, size: line.size });
    const bytes = new Uint8Array([...header, ...payload]);
    const message = decodeMessage("front-end", decodeHeader(header), payload, dialect);
    dialect = learn(dialect, message);
    yield [line, bytes, message];
  }
}

function learn(dialect: Dialect, { name, reply, payload }: Message): Dialect {
  if (reply) return dialect;
  if (name === "SET_PROTOCOL_FEATURES" && payload.kind === "u64") {
    return { ...dialect, protocolFeatures: payload.value };
  }
  return name.endsWith("MEM_TABLE") ? { ...dialect, memorySeen: true } : dialect;
}

function flagsOf({ ver, reply, need_reply }: Line): number {
  return ver | (reply ? HEADER_FLAG.REPLY : 0) | (need_reply ? HEADER_FLAG.NEED_REPLY : 0);
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Bytes of a payload that the QEMU lab recorded decoded: little-endian words of 1, 2, 4 or 8 bytes. */
function payloadOf({ id, size, reply, info }: Line): Uint8Array {
  if ("raw" in info) return fromHex(info.raw as string);
  const fd = BigInt(Number(info.vring ?? 0)) | (info.nofd ? 256n : 0n);
  if ("u64" in info || "ack_u64" in info) return words([8, info.u64 ?? info.ack_u64]);
  if ("nofd" in info) return words([8, fd]);
  if (id === 5) {
    const regions = info.regions as Region[];
    return words([4, regions.length], [4, 0], ...regions.flatMap(regionWords));
  }
  if (id === 37 || id === 38) {
    return words([8, info.padding], ...regionWords(info.region as Region));
  }
  if (id === 9) {
    // deno-fmt-ignore
    return words([4, info.vring], [4, info.flags], [8, info.desc_uva], [8, info.used_uva],
      [8, info.avail_uva], [8, info.log]);
  }
  if (id === 24) {
    const data = fromHex(info.payload as string);
    return new Uint8Array([...words([4, info.offset], [4, info.size], [4, info.flags]), ...data]);
  }
  assert("num" in info && size === 8, `no encoding for ${id} ${reply} ${JSON.stringify(info)}`);
  return words([4, info.vring], [4, info.num]);
}

function regionWords(region: Region): [number, string][] {
  return [region.gpa, region.size, region.uaddr, region.mmap_offset].map((text) => [8, text]);
}

function words(...list: [number, unknown][]): Uint8Array {
  return Uint8Array.from(list.flatMap(([size, value]) => {
    const word = BigInt(value as string);
    return Array.from({ length: size }, (_, i) => Number((word >> BigInt(8 * i)) & 255n));
  }));
}
