/**
 * The walker over every recorded image: well-formed ones give exactly what is in them, broken ones
 * their finding, and nothing else falls over.
 */
import { assert, assertEquals } from "@std/assert";
import type { FindingCode } from "../../lib/finding.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { image as loadImage, IMAGE_NAMES } from "../support/images.ts";

/** What is wrong in an image, and the findings that say so: all of them, and no other code. */
const FINDINGS: Record<string, readonly FindingCode[]> = {
  loop_self: ["loop"],
  loop_two: ["loop"],
  next_eq_size: ["next-out-of-range"],
  next_ffff: ["next-out-of-range"],
  head_eq_size: ["head-out-of-range"],
  head_ffff: ["head-out-of-range"],
  addr_outside: ["address-outside-memory"],
  addr_outside_mid: ["address-outside-memory"],
  addr_cross_end: ["address-outside-memory"],
  addr_u64_wrap: ["address-overflow"],
  len_huge: ["address-outside-memory", "length-too-large"],
  zero_len: ["zero-length"],
  zero_len_mid: ["zero-length"],
  indirect_nested: ["indirect-nested"],
  indirect_len_not16: ["indirect-length"],
  indirect_len_zero: ["indirect-empty"],
  indirect_outside: ["indirect-outside-memory"],
  indirect_cross_end: ["indirect-outside-memory"],
  indirect_and_next: ["indirect-with-next"],
  indirect_next_oob: ["next-out-of-range"],
  indirect_loop: ["loop"],
  indirect_not_negotiated: ["indirect-not-negotiated"],
  indirect_2000: ["indirect-too-long"],
  indirect_300: ["indirect-too-long"],
  write_then_read: ["readable-after-writable"],
  avail_jump: ["avail-jump"],
  avail_back: ["avail-jump", "used-ahead"],
  used_ahead: ["used-ahead"],
  dup_head: ["duplicate-head"],
  shared_desc: ["shared-descriptor"],
  ring_outside: ["ring-outside-memory"],
  ring_cross_end: ["ring-outside-memory"],
  ring_misaligned: ["ring-misaligned"],
  size_not_pow2: ["size-invalid"],
  id_outside: ["id-out-of-range"],
  dup_id: ["duplicate-id"],
  next_endless: ["chain-unavailable"],
  next_all: ["chain-too-long"],
  chain_unavailable: ["chain-unavailable"],
  flags_garbage: ["flags-invalid"],
};

/** Faults after which nothing of the ring can be walked. The others leave the two good chains. */
const UNWALKABLE = new Set([
  "ring_outside",
  "ring_cross_end",
  "size_not_pow2",
  "avail_jump",
  "avail_back",
  "ring_misaligned",
]);

for (const name of IMAGE_NAMES) {
  Deno.test(`image ${name}`, () => {
    const image = loadImage(name);
    const snapshot = openRing(image.memory, image.config).snapshot();
    const codes = [...new Set(snapshot.findings.map((finding) => finding.code))].sort();
    if (image.fault === null) {
      assertEquals(codes, []);
      if (image.expect !== null) assertEquals(counts(snapshot), image.expect);
    } else {
      assert(image.fault in FINDINGS, `no expectation for ${image.fault}`);
      assertEquals(codes, [...FINDINGS[image.fault]].sort());
      assertEquals(snapshot.chainCount >= 2, !UNWALKABLE.has(image.fault));
    }
  });
}

Deno.test("every chain of an image adds up to its totals", () => {
  for (const name of IMAGE_NAMES) {
    const image = loadImage(name);
    if (image.config.size > 256) continue;
    const snapshot = openRing(image.memory, image.config).snapshot();
    let [descriptors, readable, writable] = [0, 0, 0];
    for (let n = 0; n < snapshot.chainCount; n++) {
      const chain = snapshot.chain(n);
      descriptors += chain.descriptors.length;
      readable += chain.readable;
      writable += chain.writable;
    }
    assertEquals({ descriptors, readable, writable }, snapshot.totals, name);
  }
});

Deno.test("QEMU's monitor saw the same first chains", () => {
  let compared = 0;
  for (const name of IMAGE_NAMES) {
    const image = loadImage(name);
    const seen = image.qemu?.element0 as { return?: QemuElement } | undefined;
    if (seen?.return === undefined || image.config.format !== "split" || image.fault !== null) {
      continue;
    }
    const snapshot = openRing(image.memory, { ...image.config, start: undefined, used: undefined })
      .snapshot();
    const chain = snapshot.chain(0);
    if (chain.head !== seen.return.index) continue;
    const ours = chain.descriptors.map(({ address, length }) => [Number(address), length]);
    const theirs = seen.return.descs.map(({ addr, len }) => [addr, len]).reverse();
    assertEquals(ours, theirs, name);
    compared++;
  }
  assert(compared >= 2, `only ${compared} images compared`);
});

interface QemuElement {
  readonly index: number;
  readonly descs: readonly { readonly addr: number; readonly len: number }[];
}

function counts(snapshot: ReturnType<ReturnType<typeof openRing>["snapshot"]>) {
  return {
    chains: snapshot.chainCount,
    descriptors: snapshot.totals.descriptors,
    readable_bytes: snapshot.totals.readable,
    writable_bytes: snapshot.totals.writable,
  };
}
