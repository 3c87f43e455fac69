/**
 * Xen's shared rings over pages that no front-end wrote, and through the renderers.
 *
 * @module
 */
import { xenRingJson, xenRingText } from "../../cli/render/xen_ring.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import type { XenQueue } from "../../lib/guest/xen_queue.ts";
import { asRing } from "../../lib/ring/xen/as_ring.ts";
import { openXenRing } from "../../lib/ring/xen/ring.ts";
import type { XenRingSnapshot } from "../../lib/ring/xen/snapshot.ts";
import type { XenRingAbi, XenRingKind } from "../../lib/ring/xen/spec.ts";
import { nastyBytes, nastyText, unsafeIn } from "./nasty.ts";
import { Random } from "./random.ts";

const KINDS: readonly XenRingKind[] = ["blkif", "netif-tx", "netif-rx", "console", "xenstore"];
const ABIS: readonly XenRingAbi[] = ["x86_64-abi", "x86_32-abi", "arm-abi"];

/** Throws where a reader throws, gives more than the ring can hold, or lets a control through. */
export function fuzzXen(seed: number): void {
  const random = new Random(seed);
  const pages = new BufferBacking(pageBytes(random).buffer);
  const ring = openXenRing({ kind: random.pick(KINDS), abi: random.pick(ABIS), pages });
  asRing(ring).indices();
  if (asRing(ring).snapshot().chainCount !== 0) throw new Error("a shared ring has chains");
  const recentCount = random.pick([0, 8, 1000, 0xffffffff]);
  const snapshot = ring.snapshot({ recentCount });
  const bytes = pages.length;
  if (snapshot.entries.length > bytes || snapshot.text.length > bytes) {
    throw new Error(`${snapshot.entries.length} entries, ${snapshot.text.length} characters`);
  }
  if (snapshot.inFlight < 0 || !Number.isInteger(snapshot.inFlight)) throw new Error("in flight");
  show(random, snapshot);
}

/** Pages of a ring: small indices, then slots of all sorts. */
function pageBytes(random: Random): Uint8Array<ArrayBuffer> {
  const length = random.pick([4096, 4096, 8192, 16384, 0, 64, 100, 2048]);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const base = random.oneIn(4) ? 0xfffffff0 : 0;
  for (let at = 0; at + 4 <= length; at += 4) {
    const small = base + random.below(random.oneIn(8) ? 1 << 16 : 24);
    view.setUint32(at, random.oneIn(6) ? random.odd32() : small, true);
  }
  for (let n = random.below(20); n > 0 && length > 64; n--) {
    const text = nastyBytes(random).subarray(0, 32);
    bytes.set(text, random.below(length - text.length));
  }
  if (length >= 4096 && random.oneIn(2)) {
    // Byte rings keep theirs behind their buffers: see io/console.h and io/xs_wire.h.
    for (const at of [2048, 2052, 2056, 2060, 3072, 3076, 3080, 3084]) {
      view.setUint32(at, base + random.below(600), true);
    }
  }
  return bytes;
}

function show(random: Random, snapshot: XenRingSnapshot): void {
  const name = nastyText(random);
  const queue = { index: 0, name: nastyText(random), ring: null, note: nastyText(random) };
  const place = { place: nastyText(random), port: random.oneIn(2) ? null : 7 };
  const xen: XenQueue = { kind: null, domain: 1, backend: 0, ...place, open: null };
  const report = {
    target: nastyText(random),
    device: {
      name,
      type: 0,
      bus: { kind: "xen" as const, id: name },
      status: null,
      features: 0n,
      vhost: null,
      queues: [queue],
      note: "",
    },
    queue,
    xen,
    snapshot,
  };
  for (const text of [xenRingText(report, 20), xenRingJson(report)]) {
    const unsafe = unsafeIn(text);
    if (unsafe !== null) throw new Error(`lets through ${unsafe}`);
  }
}
