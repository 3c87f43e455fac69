/**
 * Packed rings, drawn. A word of a picture is a slot:
 *
 * ```text
 * A   available in a lap with wrap counter 1: AVAIL        .    zeros: never written, or used in a
 * U   available in a lap with wrap counter 0: USED              lap with wrap counter 0
 * AU  used in a lap with wrap counter 1: both              =    the same as ., but written before
 * >   NEXT: the list goes on                               *    INDIRECT
 * 7   buffer id
 * ```
 */
import { assertEquals } from "@std/assert";
import type { RingConfig } from "../../lib/ring/config.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";
import { AT, drawnConfig, DrawnRing } from "../support/ring_memory.ts";

const V1_INDIRECT = (1n << 32n) | (1n << 28n);
const EVENT_IDX = V1_INDIRECT | 1n << 29n;
const IN_ORDER = V1_INDIRECT | 1n << 35n;

function draw(picture: string, more: Partial<RingConfig> = {}): DrawnRing {
  const slots = picture.trim().split(/\s+/);
  const ring = new DrawnRing(drawnConfig("packed", slots.length, more));
  slots.forEach((slot, n) => {
    if (slot === ".") return;
    const has = (mark: string, bit: number) => slot.includes(mark) ? bit : 0;
    const flags = has("A", 0x80) | has("U", 0x8000) | has(">", 1) | has("*", 4);
    const id = Number(/\d+/.exec(slot)?.[0] ?? 0);
    const table = slot.includes("*");
    const address = table ? AT.tables : AT.buffers + 64 * n;
    ring.slot(n, { address, length: table ? 32 : 64, id, flags });
  });
  // Every table is of two buffers.
  ring.view.setUint32(AT.tables + 8, 1, true);
  ring.view.setUint32(AT.tables + 24, 1, true);
  return ring;
}

function read(picture: string, more: Partial<RingConfig> = {}): RingSnapshot {
  const { memory, config } = draw(picture, more);
  const ring = openRing(memory, config);
  const [snapshot, indices] = [ring.snapshot(), ring.indices()];
  // A glance says what a snapshot says.
  assertEquals(indices?.used, snapshot.used);
  assertEquals(indices?.available, snapshot.available);
  assertEquals([indices?.inFlight, indices?.exact], [snapshot.inFlight, snapshot.exact]);
  return snapshot;
}

/** `device-driver`, each with its wrap counter, `?` where the device's is a guess; then the lists. */
function shown(snapshot: RingSnapshot): string {
  const place = ({ index, wrap }: { index: number; wrap: boolean | null }) =>
    `${index}${wrap ? "'" : ""}`;
  const { used, available, exact } = snapshot;
  const lists = Array.from({ length: snapshot.chainCount }, (_, n) => snapshot.chain(n))
    .map(({ id, descriptors }) => `${id}:${descriptors.map(({ index }) => index).join("+")}`);
  return `${place(used)}${exact ? "" : "?"}-${place(available)} ${lists.join(" ")}`.trim();
}

function findings(snapshot: RingSnapshot): string[] {
  return snapshot.findings.map(({ code, place }) => `${code} @ ${place}`);
}

/** Pictures, and what is read off them; `'` marks wrap counter 1. */
const POSITIONS: readonly (readonly [why: string, picture: string, reading: string])[] = [
  ["nothing was ever available", ". . . .", "0'-0'"],
  ["one list of one slot", "A3 . . .", "0'-1' 3:0"],
  ["the first lap, full", "A0 A1 A2 A3", "0'?-0 0:0 1:1 2:2 3:3"],
  ["all used, a lap long", "AU0 AU1 AU2 AU3", "0-0"],
  ["the second lap begins", "U7 AU1 AU2 AU3", "0?-1 7:0"],
  ["a list over the end of the ring", "U9 AU1 AU2 A>9", "3'?-1 9:3+0"],
  ["used in the second lap", "=0 =1 AU2 AU3", "2-2"],
  ["outstanding over the end", "U0 AU1 A2 A3", "2'?-1 2:2 3:3 0:0"],
  ["two lists, nothing used yet", "A> A4 A5 . .", "0'-3' 4:0+1 5:2"],
  ["the rest of a used list is stale", "AU4 A>9 A4 A5 . .", "3'?-4' 5:3"],
  ["… and nothing is outstanding", "AU4 A>9 A4 . .", "3'?-3'"],
  ["… over the end of the ring", "U4 AU0 AU1 AU4 A>4", "1?-1"],
  ["another id: not the rest of it", "AU4 A>9 A5 A6 . .", "1'?-4' 5:1+2 6:3"],
  ["an indirect list stands alone", "AU4 A*4 . . .", "1'?-2' 4:0+1"],
  ["one buffer at a time has the same id", "AU4 AU4 A4 . .", "2'?-3' 4:2"],
  ["a list is being posted: its first slot is old still", "AU0 AU1 . A4 A4 .", "2'?-2'"],
  ["… the first slot of the lap", "AU0 U>7 U7 AU3 AU4 AU5", "0?-0"],
  ["… over the end of the ring", "U7 AU1 AU2 AU3 AU4 .", "5'?-5'"],
  ["… over it, with a list before it", "U7 AU1 AU2 A>3 A3 . A7", "3'?-5' 3:3+4"],
  ["… and its slots are not outstanding yet", "U>4 U4 A>0 U>0 U0", "0?-2 4:0+1"],
  ["a single slot", "A0", "0'?-0 0:0"],
  ["a single slot, used", "AU0", "0-0"],
];

for (const [why, picture, reading] of POSITIONS) {
  Deno.test(`positions: ${why}`, () => assertEquals(shown(read(picture)), reading));
}

/** The same with what a consumer, a hypervisor or a back-end has told. */
const TOLD: readonly (readonly [
  why: string,
  picture: string,
  more: Partial<RingConfig>,
  reading: string,
])[] = [
  ["a consumer's own position", "A0 A1 A2 .", { start: at(1) }, "1'-3' 1:1 2:2"],
  ["… in a lap that is not there yet", "A0 A1 A2 .", { start: at(1, false) }, "1-1"],
  ["… where all is done", "AU0 A>1 A0 .", { start: at(3) }, "3'-3'"],
  ["a consumer's own, and the device's before it", "A0 A1 A2 .", {
    start: at(1),
    used: at(0),
  }, "0'-3' 1:1 2:2"],
  ["… which has passed that", "AU0 A1 A2 .", { start: at(1), used: at(0) }, "1'-3' 1:1 2:2"],
  ["the device's, with a stale list before it", "AU4 A>9 A5 A6 .", { used: at(3) }, "3'-4' 6:3"],
  [
    "… whatever its wrap counter is said to be",
    "AU4 A>9 A5 A6 .",
    { used: at(3, false) },
    "3'-4' 6:3",
  ],
  ["… idle", "AU4 A>9 A5 .", { used: at(3) }, "3'-3'"],
  ["… idle, with stale slots of the lap before", "AU0 AU1 U>7 U2 =3", { used: at(2) }, "2'-2'"],
  ["… a full ring", "U0 U1 A2 A3", { used: at(2) }, "2'-2 2:2 3:3 0:0 1:1"],
  ["… full, and not all of it with the device", "U0 U1 A2 A3", { used: at(3) }, "3'-2 3:3 0:0 1:1"],
  [
    "two lists are before it: it is out of date",
    "AU4 A5 A6 A7 .",
    { used: at(3) },
    "1'?-4' 5:1 6:2 7:3",
  ],
  ["it was used already", "AU4 AU5 A6 .", { used: at(1) }, "2'?-3' 6:2"],
  ["it is no slot", "AU4 AU5 A6 .", { used: at(4) }, "2'?-3' 6:2"],
];

function at(index: number, wrap = true): { index: number; wrap: boolean } {
  return { index, wrap };
}

for (const [why, picture, more, reading] of TOLD) {
  Deno.test(`told: ${why}`, () => assertEquals(shown(read(picture, more)), reading));
}

Deno.test("what was fetched is in flight", () => {
  //  0 ──f── a
  const states = (fetched: number) => {
    const snapshot = read("A0 A1 A2 .", { fetched: at(fetched), start: at(0) });
    return Array.from({ length: 3 }, (_, n) => snapshot.chain(n).state);
  };
  assertEquals(states(0), ["available", "available", "available"]);
  assertEquals(states(2), ["inflight", "inflight", "available"]);
  assertEquals(states(9), ["available", "available", "available"]);
});

/** Pictures of what the standard forbids. Each is walked from slot 0 on, wrap counter 1. */
const FAULTS: readonly (readonly [
  why: string,
  picture: string,
  reading: string,
  findings: readonly string[],
])[] = [
  ["a list that goes on in a used slot", "A>0 AU1 . .", "0'-1' 0:0", [
    "flags-invalid @ slot 1",
    "chain-unavailable @ slot 0",
  ]],
  ["… in one that was never written", "A>0 . . .", "0'-1' 0:0", ["chain-unavailable @ slot 0"]],
  [
    "… in one of the next lap",
    "A>0 U1 . .",
    "0'-1' 0:0",
    ["chain-unavailable @ slot 0"],
  ],
  ["a list without an end", "A> A> A>", "0'-0 0:0+1+2", ["chain-too-long @ slot 2"]],
  ["… of one slot", "A>", "0'-0 0:0", ["chain-too-long @ slot 0"]],
  [
    "… that has not all of the ring to itself",
    "A0 A>1 A>2",
    "0'-0 0:0 2:1+2",
    ["chain-unavailable @ slot 2"],
  ],
  ["an id past the ring", "A4 A0 . .", "0'-2' 4:0 0:1", ["id-out-of-range @ slot 0"]],
  ["only the last slot's id counts", "A>99 A0 . .", "0'-2' 0:0+1", []],
  ["one id for two lists", "A1 A>7 A1 .", "0'-3' 1:0 1:1+2", ["duplicate-id @ slot 1"]],
  ["a table that is not alone", "A*>1 A1 . .", "0'-2' 1:0+1+1", ["indirect-with-next @ slot 0"]],
  ["… behind a buffer", "A> A*1 . .", "0'-2' 1:0+0+1", ["indirect-with-next @ slot 1"]],
  ["used in a lap in which it was not available", "A0 AU1 . .", "0'-1' 0:0", [
    "flags-invalid @ slot 1",
  ]],
];

for (const [why, picture, reading, expected] of FAULTS) {
  Deno.test(`faults: ${why}`, () => {
    const snapshot = read(picture, { start: at(0) });
    assertEquals(shown(snapshot), reading);
    assertEquals(findings(snapshot), expected);
  });
}

Deno.test("ids may stand twice where the device completes out of order, not with IN_ORDER", () => {
  assertEquals(findings(read("A1 A1 . .")), []);
  assertEquals(findings(read("A1 A1 . .", { features: IN_ORDER })), ["duplicate-id @ slot 1"]);
  // Where the walk starts with what may be stale, the first of them may be.
  assertEquals(findings(read("AU0 A1 A1 .", { features: IN_ORDER })), []);
});

Deno.test("notifications by flags", () => {
  const drawn = draw("A0 . . .");
  const suppression = (driver: number, device: number) => {
    drawn.view.setUint16(AT.driver + 2, driver, true);
    drawn.view.setUint16(AT.device + 2, device, true);
    const { suppression: { kickWanted, callWanted, by }, findings } = openRing(
      drawn.memory,
      drawn.config,
    ).snapshot();
    return [kickWanted, callWanted, by, ...findings.map(({ code, place }) => `${code} @ ${place}`)];
  };
  assertEquals(suppression(0, 0), [true, true, "flags"]);
  assertEquals(suppression(1, 0), [true, false, "flags"]);
  assertEquals(suppression(0, 1), [false, true, "flags"]);
  assertEquals(suppression(3, 0), [true, true, "flags", "flags-invalid @ driver event area"]);
  assertEquals(suppression(0, 2), [true, true, "flags", "flags-invalid @ device event area"]);
});

Deno.test("notifications by descriptor event: slot and wrap counter of the next one", () => {
  //  the device wants to hear of slot 1 in this lap, the driver of slot 0 in the next
  const drawn = draw("A0 . . .", { features: EVENT_IDX });
  drawn.view.setUint16(AT.device, 0x8001, true);
  drawn.view.setUint16(AT.device + 2, 2, true);
  drawn.view.setUint16(AT.driver, 0x0000, true);
  drawn.view.setUint16(AT.driver + 2, 2, true);
  const ring = openRing(drawn.memory, drawn.config);
  const { suppression, available, used } = ring.snapshot();
  assertEquals(suppression, { kickWanted: true, callWanted: false, by: "event index" });
  assertEquals([used.event, used.eventWrap], [1, true]);
  assertEquals([available.event, available.eventWrap], [0, false]);
  drawn.view.setUint16(AT.device, 0x0001, true);
  assertEquals(ring.snapshot().suppression.kickWanted, false);
  drawn.view.setUint16(AT.device, 0x8004, true);
  assertEquals(findings(ring.snapshot()), ["flags-invalid @ device event area"]);
});

Deno.test("no chains where none are asked for, and the same positions", () => {
  const { memory, config } = draw("AU4 A>9 A4 A5 .");
  const [all, none] = [{}, { chains: "none" } as const]
    .map((options) => openRing(memory, config).snapshot(options));
  assertEquals([none.chainCount, none.totals.descriptors], [0, 0]);
  assertEquals([none.used, none.available, none.inFlight], [all.used, all.available, all.inFlight]);
});
