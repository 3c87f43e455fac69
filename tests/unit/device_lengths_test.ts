/**
 * Every decoder, every queue of its device, both directions: every length from nothing to more than
 * the largest header, with bytes that no driver would write. Nothing throws, and nothing that a
 * terminal acts on comes through.
 */
import { assert, assertEquals } from "@std/assert";
import { listJsonLine } from "../../cli/render/json.ts";
import { renderTable } from "../../cli/render/table.ts";
import type { DecodeContext, DecodedRequest, DeviceType } from "../../lib/device/decoder.ts";
import { DEVICE_TYPES, deviceType } from "../../lib/device/registry.ts";
import { unsafeIn } from "../fuzz/nasty.ts";
import { Random } from "../fuzz/random.ts";
import { chainOf, hexBytes } from "../support/device_vectors.ts";
import { VECTORS } from "../support/device_vectors_all.ts";

/** More than any header: that of gpu's EDID is 1056 bytes, all others are below 416. */
const [LONGEST, EDID] = [420, 1060];
/** Queues that are tried: all kinds of a device stand among the first ones, control queues last. */
const QUEUES = 4;

/** What a terminal acts on, again and again. */
const NASTY = new TextEncoder().encode("\x1b[2J\x1b]0;x\x07\x9b31m\r\n\u202e\u2066\x7f\0\u2028");

/** Byte strings of the longest length: each is cut to every length. */
function fills(random: Random, length: number): Uint8Array[] {
  const filled = (byte: (n: number) => number) => Uint8Array.from({ length }, (_, n) => byte(n));
  return [
    filled(() => 0),
    filled(() => 0xff),
    filled((n) => NASTY[n % NASTY.length]),
    filled(() => random.below(256)),
    // Small numbers are known types, counts and lengths more often than not.
    filled(() => random.oneIn(3) ? random.below(40) : 0),
  ];
}

/** The beginnings of real requests or replies, with what a terminal acts on behind them. */
function begun(type: DeviceType, part: "out" | "in", queue: number, length: number): Uint8Array[] {
  return VECTORS.filter((one) => one.device === type.name && (one.queue ?? 0) === queue)
    .map((vector) => hexBytes(vector[part] ?? ""))
    .filter((bytes) => bytes.length > 0 && bytes.length < length)
    .map((bytes) =>
      Uint8Array.from({ length }, (_, n) => n < bytes.length ? bytes[n] : NASTY[n % NASTY.length])
    );
}

function checkSound(request: DecodedRequest | null, what: string): void {
  if (request === null) return;
  const { summary, notes, fields } = request;
  assert(summary !== "" && !/undefined|NaN|\[object/.test(summary), `${what}: ${summary}`);
  assert(!JSON.stringify(fields).includes("undefined"), what);
  const rows = [summary, ...notes, JSON.stringify(fields)].map((text) => [text]);
  const shown = renderTable({ columns: [{ head: "REQUEST" }], rows });
  assertEquals(unsafeIn(shown), null, what);
  // A line for each of our own, and no other.
  assertEquals(shown.split("\n").length, rows.length + 1, what);
  const json = listJsonLine("guestmem/ring/1", {}, "chains", [request]);
  assertEquals([unsafeIn(json), json.includes("\n")], [null, false], what);
  assertEquals(JSON.parse(json).chains[0].summary, summary);
}

/** Decodes a chain of both parts cut to `length` in one direction, whole in the other. */
function decodeCut(
  type: DeviceType,
  [out, reply]: readonly [Uint8Array, Uint8Array],
  length: number,
  context: DecodeContext,
): void {
  const { queue, state } = context;
  const name = (part: string) => `${type.name}, queue ${queue}, ${state}, ${part} of ${length}`;
  checkSound(type.decode(chainOf(out.subarray(0, length), reply), context), name("request"));
  checkSound(type.decode(chainOf(out, reply.subarray(0, length)), context), name("reply"));
}

for (const type of [...DEVICE_TYPES, deviceType(44)]) {
  Deno.test(`${type.name}: every length in both directions`, () => {
    const random = new Random(type.id);
    const longest = type.name === "gpu" ? EDID : LONGEST;
    let decoded = 0;
    for (let queue = 0; queue < QUEUES; queue++) {
      const outs = [...fills(random, longest), ...begun(type, "out", queue, longest)];
      const replies = [...fills(random, longest), ...begun(type, "in", queue, longest)];
      const pairs = outs.map((out, n) => [out, replies[n % replies.length]] as const);
      const spare = replies.slice(outs.length).map((reply) => [outs[0], reply] as const);
      for (const pair of [...pairs, ...spare]) {
        for (let length = 0; length <= longest; length++) {
          // All of the first bytes, where headers end, and every third length behind.
          if (length > 130 && length % 3 !== queue % 3) continue;
          for (const state of ["used", "available"] as const) {
            const features = random.oneIn(4) ? random.bits64() : 1n << 32n;
            const rest = { queueCount: QUEUES, bigEndian: random.oneIn(8) };
            decodeCut(type, pair, length, { features, queue, state, ...rest });
            decoded++;
          }
        }
      }
    }
    assert(decoded > QUEUES * longest);
  });
}
