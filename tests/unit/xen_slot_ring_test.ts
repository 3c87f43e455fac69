/** Request/response rings of Xen: hand-made pages, drawn as they stand. */
import { assertEquals } from "@std/assert";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { isUnreadable } from "../../lib/ring/unreadable.ts";
import { asRing } from "../../lib/ring/xen/as_ring.ts";
import { openXenRing } from "../../lib/ring/xen/ring.ts";
import type { XenRingConfig } from "../../lib/ring/xen/snapshot.ts";
import { slotCount, slotSize, type XenRingKind } from "../../lib/ring/xen/spec.ts";

const page = (pages = 1) => new DataView(new ArrayBuffer(4096 * pages));

function header(view: DataView, reqProd: number, rspProd: number, reqEvent = 0, rspEvent = 0) {
  [reqProd, reqEvent, rspProd, rspEvent].forEach((value, i) => view.setUint32(4 * i, value, true));
}

function open(view: DataView, kind: XenRingKind, abi: XenRingConfig["abi"] = "x86_64-abi") {
  return openXenRing({ kind, abi, pages: new BufferBacking(view.buffer) });
}

/** A 64-bit blkif request in its slot. */
function blkif(view: DataView, slot: number, operation: number, id: bigint, segments: number[][]) {
  const at = 64 + slot * 112;
  view.setUint8(at, operation);
  view.setUint8(at + 1, segments.length);
  view.setBigUint64(at + 8, id, true);
  view.setBigUint64(at + 16, 0x40n, true);
  segments.forEach(([ref, first, last], i) => {
    view.setUint32(at + 24 + 8 * i, ref, true);
    view.setUint8(at + 28 + 8 * i, first);
    view.setUint8(at + 29 + 8 * i, last);
  });
}

Deno.test("slots per page are those of Xen's own headers", () => {
  assertEquals([1, 2, 4, 8, 16].map((n) => slotCount("blkif", "x86_64-abi", 4096 * n)), [
    32,
    64,
    128,
    256,
    512,
  ]);
  assertEquals([1, 2, 4, 8, 16].map((n) => slotCount("blkif", "x86_32-abi", 4096 * n)), [
    32,
    64,
    128,
    256,
    512,
  ]);
  assertEquals(slotCount("netif-tx", "x86_64-abi", 4096), 256);
  assertEquals(slotCount("netif-rx", "x86_64-abi", 4096), 256);
  assertEquals(slotCount("netif-rx", "x86_64-abi", 64), 0);
  assertEquals(slotSize("blkif", "arm-abi"), 112);
});

Deno.test("outstanding blkif requests are decoded, answered slots are responses", () => {
  // slot  30  31 | 0   1       req_prod 34, rsp_prod 32
  //       r   r  | Q   Q
  const view = page();
  header(view, 34, 32, 35, 33);
  view.setBigUint64(64 + 31 * 112, 7n, true);
  view.setUint8(64 + 31 * 112 + 8, 1);
  view.setInt16(64 + 31 * 112 + 10, -1, true);
  blkif(view, 0, 0, 9n, [[20, 0, 7], [21, 2, 3]]);
  blkif(view, 1, 3, 10n, []);
  const ring = open(view, "blkif").snapshot({ recentCount: 1 });
  assertEquals([ring.inFlight, ring.size, ring.kickWanted, ring.callWanted], [2, 32, true, true]);
  assertEquals(ring.findings, []);
  assertEquals(ring.entries.map(({ index, slot, state }) => [index, slot, state]), [
    [31, 31, "answered"],
    [32, 0, "outstanding"],
    [33, 1, "outstanding"],
  ]);
  assertEquals(ring.entries.map(({ request }) => request.summary), [
    "WRITE ERROR id 0x7",
    "READ 5120 bytes at 0x40",
    "FLUSH_DISKCACHE 0 bytes at 0x40",
  ]);
  assertEquals(ring.entries[1].request.fields.segments, [
    { ref: 20, first: 0, last: 7 },
    { ref: 21, first: 2, last: 3 },
  ]);
});

Deno.test("indices run over 2^32", () => {
  const view = page();
  header(view, 1, 0xffff_ffff);
  blkif(view, 31, 1, 1n, [[9, 0, 0]]);
  blkif(view, 0, 1, 2n, [[9, 0, 0]]);
  const ring = open(view, "blkif").snapshot({ recentCount: 0 });
  assertEquals(ring.inFlight, 2);
  assertEquals(ring.entries.map(({ index, slot }) => [index, slot]), [[0xffff_ffff, 31], [0, 0]]);
});

Deno.test("what a hostile front-end writes becomes findings", () => {
  const cases: [string, (view: DataView) => void, string[]][] = [
    ["jump", (view) => header(view, 33, 0), ["producer-jump"]],
    ["responses first", (view) => header(view, 0, 1), ["response-ahead"]],
    ["operation", (view) => (header(view, 1, 0), blkif(view, 0, 77, 0n, [])), [
      "unknown-operation",
    ]],
    ["no segments", (view) => (header(view, 1, 0), blkif(view, 0, 1, 0n, [])), ["segment-count"]],
    ["too many", (view) => {
      header(view, 1, 0);
      blkif(view, 0, 0, 0n, Array.from({ length: 11 }, () => [8, 0, 7]));
      view.setUint8(65, 255);
    }, ["segment-count"]],
    ["sectors", (view) => (header(view, 1, 0), blkif(view, 0, 0, 0n, [[8, 3, 2], [8, 0, 8]])), [
      "range-invalid",
      "range-invalid",
    ]],
    ["reference", (view) => (header(view, 1, 0), blkif(view, 0, 0, 0n, [[1, 0, 7]])), [
      "reference-invalid",
    ]],
    ["ids", (view) => {
      header(view, 2, 0);
      blkif(view, 0, 0, 5n, [[8, 0, 7]]);
      blkif(view, 1, 0, 5n, [[8, 0, 7]]);
    }, ["duplicate-id"]],
    ["indirect", (view) => {
      header(view, 1, 0);
      blkif(view, 0, 6, 0n, []);
      view.setUint8(65, 9);
      view.setUint16(66, 5000, true);
    }, ["segment-count", "unknown-operation"]],
  ];
  for (const [name, write, codes] of cases) {
    const view = page();
    write(view);
    const { findings } = open(view, "blkif").snapshot();
    assertEquals(findings.map(({ code }) => code), codes, name);
  }
});

Deno.test("the 32-bit layout has its fields elsewhere", () => {
  const view = page();
  header(view, 2, 0);
  view.setUint8(64, 5); // DISCARD of 28 bytes in a slot of 108
  view.setBigUint64(68, 3n, true);
  view.setBigUint64(76, 0x99n, true);
  view.setBigUint64(84, 0x10n, true);
  view.setUint8(64 + 108, 6); // INDIRECT
  view.setUint16(64 + 108 + 2, 600, true);
  view.setUint32(64 + 108 + 24, 40, true);
  view.setUint32(64 + 108 + 28, 41, true);
  const { entries } = open(view, "blkif", "x86_32-abi").snapshot();
  assertEquals(entries[0].request.summary, "DISCARD 0x10 sectors at 0x99");
  assertEquals(entries[1].request.fields.indirectReferences, [40, 41]);
});

Deno.test("a packet of several parts with an extra info", () => {
  // slot 0 first part (whole size 5000, extra, more) | 1 extra GSO | 2 last part
  const view = page();
  header(view, 3, 0);
  const tx = (
    slot: number,
    ref: number,
    offset: number,
    flags: number,
    id: number,
    size: number,
  ) => {
    const at = 64 + 12 * slot;
    view.setUint32(at, ref, true);
    [offset, flags, id, size].forEach((value, i) => view.setUint16(at + 4 + 2 * i, value, true));
  };
  tx(0, 30, 100, 4 | 8, 1, 5000);
  view.setUint8(64 + 12, 1);
  view.setUint16(64 + 14, 1448, true);
  view.setUint8(64 + 16, 1);
  tx(2, 31, 0, 0, 2, 1100);
  const { entries, findings } = open(view, "netif-tx").snapshot();
  assertEquals(entries.map(({ request }) => request.summary), [
    "packet of 5000 bytes, ref 30+100 (more_data, extra_info)",
    "extra info GSO TCPV4, segments of 1448 bytes",
    "part of 1100 bytes, ref 31+0",
  ]);
  assertEquals(findings, []);
  tx(2, 31, 4000, 4, 2, 1100);
  const bad = open(view, "netif-tx").snapshot();
  assertEquals(bad.findings.map(({ code }) => code), ["range-invalid", "packet-unfinished"]);
});

Deno.test("receive buffers and received packets", () => {
  const view = page();
  header(view, 2, 1);
  [3, 14, 4 | 1].forEach((value, i) => view.setUint16(64 + 2 * i, value, true));
  view.setInt16(70, 60, true);
  view.setUint16(72, 4, true);
  view.setUint32(76, 777, true);
  const { entries } = open(view, "netif-rx").snapshot();
  assertEquals(entries.map(({ request }) => request.summary), [
    "received 60 bytes at 14 id 3",
    "buffer ref 777",
  ]);
});

Deno.test("a ring whose page fails is unreadable, not empty", () => {
  const ring = openXenRing({
    kind: "blkif",
    abi: "arm-abi",
    pages: new BufferBacking(new ArrayBuffer(8)),
  });
  assertEquals(ring.indices(), null);
  assertEquals(ring.snapshot().findings.map(({ code }) => code), ["ring-unreadable"]);
  const seen = asRing(ring).snapshot();
  assertEquals([isUnreadable(seen), seen.findings[0].code], [true, "ring-unreadable"]);
});
