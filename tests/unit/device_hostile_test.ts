import { assert, assertEquals } from "@std/assert";
import type { ChainBytes, DecodeContext, DecodedRequest } from "../../lib/device/decoder.ts";
import { DEVICE_TYPES, deviceType } from "../../lib/device/registry.ts";
import {
  chainOf,
  contextOf,
  decodeVector,
  hexBytes,
  type Vector,
} from "../support/device_vectors.ts";
import { VECTORS } from "../support/device_vectors_all.ts";

/** Lengths that are tried one by one; longer parts are bulk data. */
const EVERY = 200;

function lengthsOf(part: Uint8Array): number[] {
  return Array.from({ length: Math.min(part.length, EVERY) + 1 }, (_, length) => length);
}

function assertSound(decoded: DecodedRequest, what: string): void {
  assertEquals(JSON.parse(JSON.stringify(decoded)), decoded, what);
  assert(
    decoded.summary !== "" && !/undefined|NaN|\[object/.test(decoded.summary),
    decoded.summary,
  );
  assert(decoded.summary.length < 4000, what);
}

/** With more bytes, nothing that was known goes away. */
function assertGrows(before: DecodedRequest | null, after: DecodedRequest, what: string): void {
  for (const name of Object.keys(before?.fields ?? {})) {
    assert(name in after.fields, `${what} ${name}`);
  }
}

const label = (vector: Vector) => `${vector.device}: ${vector.summary}`;

for (const vector of VECTORS) {
  const out = hexBytes(vector.out ?? "");
  const reply = hexBytes(vector.in ?? "");

  Deno.test(`${label(vector)}, cut short`, () => {
    let before: DecodedRequest | null = null;
    for (const length of lengthsOf(out)) {
      const decoded = decodeVector(vector, out.slice(0, length), reply);
      assertSound(decoded, `request of ${length}`);
      assertGrows(before, decoded, `request of ${length}`);
      if (length < (vector.needs ?? out.length)) {
        assert(decoded.notes.length > 0, `request of ${length} is short of nothing?`);
      }
      before = decoded;
    }
    before = null;
    for (const length of lengthsOf(reply)) {
      const cut = { ...vector, written: vector.written && Math.min(vector.written, length) };
      const decoded = decodeVector(cut, out, reply.slice(0, length));
      assertSound(decoded, `reply of ${length}`);
      assertGrows(before, decoded, `reply of ${length}`);
      if (length < (vector.replyNeeds ?? reply.length)) {
        assert(decoded.notes.length > 0, `reply of ${length} is short of nothing?`);
      }
      before = decoded;
    }
  });

  Deno.test(`${label(vector)}, where memory ends`, () => {
    for (const memory of lengthsOf(out.length > 0 ? out : reply).slice(0, -1)) {
      const chain = chainOf(out, reply, vector.written ?? reply.length, memory);
      const [type] = DEVICE_TYPES.filter(({ name }) => name === vector.device);
      const decoded = type.decode(chain, contextOf(vector)) as DecodedRequest;
      assertSound(decoded, `memory of ${memory}`);
      const needed = out.length > 0
        ? vector.needs ?? out.length
        : vector.replyNeeds ?? reply.length;
      if (memory < needed) assert(decoded.notes.length > 0, `memory of ${memory}`);
    }
  });
}

/** xorshift32: the same bytes every time. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

function randomChain(random: (limit: number) => number): ChainBytes {
  // Small bytes make known types, counts and lengths likely.
  const bytes = () => Uint8Array.from({ length: random(160) }, () => random(256) >> random(9));
  const written = random(3) === 0 ? null : random(200);
  return chainOf(bytes(), bytes(), written, random(4) === 0 ? random(160) : Infinity);
}

function randomContext(random: (limit: number) => number): DecodeContext {
  const states = ["available", "inflight", "used", "used"] as const;
  let features = random(4) === 0 ? 0n : 1n << 32n;
  for (let bits = random(6); bits > 0; bits--) features |= 1n << BigInt(random(72));
  return {
    features,
    queue: random(7),
    queueCount: random(2) === 0 ? null : random(9),
    state: states[random(4)],
    bigEndian: random(5) === 0,
    config: random(3) === 0
      ? Uint8Array.from({ length: random(60) }, () => random(256))
      : undefined,
    continuation: random(9) === 0 || undefined,
  };
}

for (const type of [...DEVICE_TYPES, deviceType(44)]) {
  Deno.test(`${type.name}: 10000 random chains`, () => {
    const random = randomFrom(0x9e3779b9 + type.id);
    for (let round = 0; round < 10_000; round++) {
      const decoded = type.decode(randomChain(random), randomContext(random));
      if (decoded !== null) assertSound(decoded, `round ${round}`);
    }
  });

  Deno.test(`${type.name}: endless chains are read in bounded pieces`, () => {
    for (const fill of [0x00, 0x01, 0x02, 0x06, 0x10, 0x35, 0xff]) {
      for (let queue = 0; queue < 5; queue++) {
        let asked = 0;
        const read = (_: number, length: number) => {
          asked += length;
          return new Uint8Array(length).fill(fill);
        };
        const huge = { readable: 2 ** 32, writable: 2 ** 32, written: 2 ** 32 - 1 };
        const context = contextOf({ device: type.name, queue, type: "", summary: "" });
        const decoded = type.decode({ ...huge, readRequest: read, readReply: read }, context);
        if (decoded !== null) assertSound(decoded, `fill ${fill} queue ${queue}`);
        assert(asked < 64 * 1024, `${asked} bytes asked for`);
      }
    }
  });
}
