/** A shared ring in a virtqueue's terms: indices, events, and the stall that follows from them. */
import { assertEquals } from "@std/assert";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { diagnose } from "../../lib/ring/stall.ts";
import { asRing } from "../../lib/ring/xen/as_ring.ts";
import { openXenRing } from "../../lib/ring/xen/ring.ts";

function ring(reqProd: number, reqEvent: number, rspProd: number, rspEvent: number) {
  const view = new DataView(new ArrayBuffer(4096));
  // Every slot holds a buffer with an id and a reference of its own.
  for (let slot = 0; slot < 256; slot++) {
    view.setUint16(64 + 8 * slot, slot, true);
    view.setUint32(68 + 8 * slot, 100 + slot, true);
  }
  [reqProd, reqEvent, rspProd, rspEvent].forEach((value, i) => view.setUint32(4 * i, value, true));
  const pages = new BufferBacking(view.buffer);
  return asRing(openXenRing({ kind: "netif-rx", abi: "x86_64-abi", pages }));
}

function verdict(...indices: [number, number, number, number]) {
  const made = ring(...indices);
  const reading = { indices: made.indices()!, kick: null, call: null };
  return diagnose({
    ...{ config: made.config, readings: [reading, reading], findings: made.snapshot().findings },
    ...{ status: null, posted: false, halted: null, note: "" },
    ...{ armedAtZero: made.isArmedAtZero, fault: made.fault },
  });
}

Deno.test("producers are the two indices, event indices are one less", () => {
  const { available, used, inFlight } = ring(0x1_0005, 0x1_0004, 0x1_0002, 0x1_0003).indices()!;
  assertEquals([available.index, used.index, inFlight], [5, 2, 3]);
  assertEquals([used.event, available.event], [3, 2]);
});

Deno.test("idle, a kick that is due, all fetched, the driver that does not reap", () => {
  assertEquals(verdict(7, 8, 7, 8).verdict, "idle");
  const due = verdict(10, 1, 0, 1);
  assertEquals(due.turn, "device");
  assertEquals(due.evidence.some((text) => text.includes("a kick was due")), true);
  const fetched = verdict(10, 11, 4, 5);
  assertEquals(fetched.evidence.some((text) => text.includes("fetched all")), true);
  assertEquals(verdict(256, 257, 0, 1).verdict, "ring full");
  assertEquals(verdict(9, 10, 9, 4).verdict, "driver not reaping");
});

Deno.test("a front-end that never took its first answer: rsp_event is 1 from the beginning", () => {
  //  SHARED_RING_INIT: req_prod 0, req_event 1, rsp_prod 0, rsp_event 1
  assertEquals(verdict(0, 1, 0, 1).verdict, "idle");
  assertEquals(verdict(1, 2, 1, 1).verdict, "driver not reaping");
  assertEquals(verdict(1, 2, 1, 2).verdict, "idle");
  // 2^16 answers later the same low bits are no answer that was missed.
  assertEquals(verdict(0x1_0001, 0x1_0002, 0x1_0001, 0x1_0001).verdict, "driver not reaping");
  assertEquals(verdict(0x1_0001, 0x1_0002, 0x1_0001, 0x1_0002).verdict, "idle");
});

Deno.test("a page that no front-end has set up asks for nothing", () => {
  const { available, used } = ring(0, 0, 0, 0).indices()!;
  assertEquals([available.event, used.event], [null, null]);
  assertEquals(verdict(0, 0, 0, 0).verdict, "idle");
});

Deno.test("a fault is a finding in virtio's words with the header that it is from", () => {
  const { verdict: name, evidence } = verdict(1000, 0, 0, 0);
  assertEquals(name, "corrupt");
  assertEquals(evidence[0].includes("producer-jump") && evidence[0].includes("(io/ring.h)"), true);
});

Deno.test("of a console the guest's direction is shown, in bytes", () => {
  const view = new DataView(new ArrayBuffer(4096));
  view.setUint32(3080, 90, true);
  view.setUint32(3084, 100, true);
  const pages = new BufferBacking(view.buffer);
  const made = asRing(openXenRing({ kind: "console", abi: "x86_64-abi", pages }));
  const { available, used, inFlight } = made.indices()!;
  assertEquals([available.index, used.index, inFlight, made.config.size], [100, 90, 10, 2048]);
});
