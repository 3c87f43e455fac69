/**
 * Device decoders over bytes that no driver wrote.
 *
 * @module
 */
import { decodeConfig } from "../../lib/device/config_space.ts";
import type { DecodeContext, DecodedRequest, DeviceType } from "../../lib/device/decoder.ts";
import { DEVICE_TYPES, deviceType, deviceTypeNamed } from "../../lib/device/registry.ts";
import { chainOf, hexBytes } from "../support/device_vectors.ts";
import { VECTORS } from "../support/device_vectors_all.ts";
import { nastyBytes, nastyText } from "./nasty.ts";
import { Random } from "./random.ts";

/** Characters that one summary may have, and the whole request as JSON. */
const [SUMMARY, WHOLE] = [4000, 4 << 20];

/** Throws where a decoder throws, or says what is no JSON or no sentence. */
export function fuzzDecoder(seed: number): void {
  const random = new Random(seed);
  const type = random.oneIn(8) ? deviceType(random.odd16()) : random.pick(DEVICE_TYPES);
  const context = contextFor(random);
  type.queueName(context.queue, { features: context.features, queueCount: context.queueCount });
  const [out, reply] = [bytesFor(random, type, "out"), bytesFor(random, type, "in")];
  const written = random.pick([null, reply.length, random.odd32()]);
  const memory = random.oneIn(4) ? random.below(64) : Infinity;
  check(type.decode(chainOf(out, reply, written, memory), context));
  const config = bytesFor(random, type, "out");
  const { features, bigEndian } = context;
  checkJson(decodeConfig(type, config, { features: random.oneIn(2) ? features : null, bigEndian }));
  deviceTypeNamed(nastyText(random));
}

function contextFor(random: Random): DecodeContext {
  const features = random.oneIn(2) ? random.bits64() : 1n << 32n;
  return {
    features,
    queue: random.oneIn(4) ? random.odd16() : random.below(8),
    queueCount: random.oneIn(2) ? null : random.below(20),
    state: random.pick(["available", "inflight", "used"]),
    bigEndian: random.oneIn(4),
    ...(random.oneIn(3) ? { config: nastyBytes(random) } : {}),
    ...(random.oneIn(4) ? { continuation: true } : {}),
  };
}

/** A vector's bytes with some of them changed, or no vector's at all. */
function bytesFor(random: Random, { name }: DeviceType, part: "out" | "in"): Uint8Array {
  const known = VECTORS.filter(({ device }) => device === name);
  if (known.length === 0 || random.oneIn(4)) return manyBytes(random);
  const bytes = hexBytes(random.pick(known)[part] ?? "");
  for (let n = random.below(6); n > 0 && bytes.length > 0; n--) {
    bytes[random.below(bytes.length)] = random.oneIn(2) ? random.word() : random.pick([0, 255, 1]);
  }
  const cut = random.oneIn(3) ? bytes.slice(0, random.below(bytes.length + 1)) : bytes;
  return random.oneIn(3) ? joined(cut, manyBytes(random)) : cut;
}

function manyBytes(random: Random): Uint8Array {
  let bytes = nastyBytes(random);
  for (let n = random.below(8); n > 0; n--) bytes = joined(bytes, nastyBytes(random));
  return random.oneIn(50) ? joined(bytes, new Uint8Array(random.below(70_000))) : bytes;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

function check(decoded: DecodedRequest | null): void {
  if (decoded === null) return;
  const { summary } = decoded;
  if (summary === "" || /undefined|NaN|\[object/.test(summary)) throw new Error(`says ${summary}`);
  if (summary.length > SUMMARY) throw new Error(`says ${summary.length} characters`);
  checkJson(decoded);
}

/** Plain values only: a bigint throws here, and undefined would be lost. */
function checkJson(value: unknown): void {
  const text = JSON.stringify(value);
  if (text.length > WHOLE) throw new Error(`is ${text.length} characters of JSON`);
  if (text !== JSON.stringify(JSON.parse(text))) throw new Error("is no plain JSON");
}
