/** What a person reads on a terminal of 80 columns. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { stripAnsiCode } from "../../cli/render/colors.ts";
import { carveText } from "../../cli/render/carve.ts";
import { configText } from "../../cli/render/config.ts";
import { doctorText } from "../../cli/render/doctor.ts";
import { findText } from "../../cli/render/find.ts";
import { widest, wrapTable } from "../../cli/render/fit.ts";
import { diagnosisJson, diagnosisPlain, renderDiagnosis } from "../../cli/render/diagnosis.ts";
import { ringText } from "../../cli/render/ring_text.ts";
import type { QueueReport } from "../../lib/diagnose/observe.ts";
import type { Device, Guest } from "../../lib/guest/guest.ts";
import { reportRing } from "../../lib/guest/ring_report.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { arpPacket, carveAll, carveMemory, workRing } from "../support/carve_guest.ts";
import { PLACE, queuePair } from "../support/queue_pair.ts";

const COLUMNS = 80;

/** A packed ring with one indirect chain at addresses above 4 GiB, and its device. */
function indirectRing() {
  const { memory, config, driver } = queuePair<null>({ format: "packed", size: 64 });
  const segments = [16, 2048, 1].map((length, n) => ({
    address: PLACE.high + BigInt(n << 12),
    length,
    writable: n > 0,
  }));
  driver.add(segments, null, { indirect: true });
  driver.publish();
  const queue = { index: 0, name: "request0", ring: config, note: "" };
  const notifier = { pid: 13557, kickFd: 27, callFd: 28 };
  const device: Device = {
    name: "blk1",
    type: 2,
    bus: { kind: "none", id: "" },
    status: 15,
    features: config.features,
    vhost: null,
    note: "",
    queues: [{ ...queue, notifier }],
  };
  return { memory, queue, device };
}

Deno.test("dump ring of high addresses and indirect chains stays within 80 columns", () => {
  const { memory, queue, device } = indirectRing();
  const selected = { device, queue, target: "proc:13557/blk1:0" };
  const report = reportRing(memory, selected, null, { chains: "outstanding" });
  const wide = stripAnsiCode(ringText(report, { limit: 16, width: Infinity }));
  assert(widest(wide) > COLUMNS);
  assertStringIncludes(wide, "available (indirect)");
  const narrow = stripAnsiCode(ringText(report, { limit: 16, width: COLUMNS }));
  assert(widest(narrow) <= COLUMNS, narrow);
  assertStringIncludes(narrow, "\n      indirect\n");
  const short = stripAnsiCode(ringText(report, { limit: 16, width: 60 }));
  assertStringIncludes(short, "\nin flight: 1\nread at ");
  assertStringIncludes(short, "= 1 slot with the device   . 63 with the driver");
  for (const part of ["0x100000000", "2048", "3 descriptors"]) assertStringIncludes(narrow, part);
  // The picture has a least width; all else fits half a terminal.
  const half = stripAnsiCode(ringText(report, { limit: 16, width: 50 })).split("\n");
  const table = half.slice(half.findIndex((line) => line.includes("INDEX")));
  assert(widest(table.join("\n")) <= 50, table.join("\n"));
});

Deno.test("a diagnosis lets columns go before it is too wide, never the target or a command", () => {
  const { memory, queue } = indirectRing();
  const snapshot = openRing(memory, queue.ring).snapshot();
  const next = "guestmem kick proc:13557/blk1:0 --and-more-than-fits-in-a-narrow-terminal";
  const stuck: QueueReport = {
    target: "proc:13557/blk1:0",
    device: "blk1",
    queue: "request0",
    verdict: "lost kick",
    turn: "device",
    evidence: ["a kick was due: available is past the device's avail_event, and nobody was told"],
    next,
    observed: 1000,
    snapshot,
  };
  const report = { target: "proc:13557", halted: null, still: false, queues: [stuck] };
  const text = (width: number) => stripAnsiCode(renderDiagnosis(report, false, width));
  assert(widest(text(Infinity)) > 80);
  const lines = text(45).split("\n");
  assert(lines.every((line) => line.length <= 45 || line === `  next: ${next}`), text(45));
  assertStringIncludes(lines[1], "proc:13557/blk1:0");
  const columns = (width: number) => text(width).split("\n")[0].trim().split(/ {2,}/);
  const whole = ["VERDICT", "TURN", "AVAILABLE", "USED", "IN FLIGHT", "FOR", "QUEUE", "TARGET"];
  assertEquals(columns(100), whole);
  assertEquals(columns(80), whole.filter((head) => head !== "AVAILABLE"));
  assertEquals(columns(48), ["VERDICT", "TURN", "FOR", "TARGET"]);
});

Deno.test("queues of a device that were never used are one row, but not of a script's lines", () => {
  const report = (device: string, index: number, used = 0): QueueReport => {
    const { memory, config, driver } = queuePair<null>({ format: "split", size: 8 });
    if (used > 0) driver.add([{ address: PLACE.high, length: 16, writable: false }], null);
    driver.publish();
    return {
      ...{ target: `qemu:7/${device}:${index}`, device, queue: `q${index}`, observed: 1000 },
      ...{ verdict: "idle", turn: "nobody", evidence: [], next: "" },
      snapshot: openRing(memory, config).snapshot(),
    };
  };
  const queues = [
    ...[0, 1, 2, 3].map((index) => report("serial0", index, index === 1 ? 1 : 0)),
    ...[4, 5, 7, 8, 9].map((index) => report("serial0", index)),
    ...[10, 11].map((index) => report("other", index)),
  ];
  const all = { target: "qemu:7", halted: null, still: false, queues };
  const lines = stripAnsiCode(renderDiagnosis(all, false, 80)).split("\n").slice(1);
  const shown = lines.map((line) => line.split(/ {2,}/).slice(-2).join(" "));
  assertEquals(shown, [
    "q0 qemu:7/serial0:0",
    "q1 qemu:7/serial0:1",
    "2 to 5 qemu:7/serial0",
    "7 to 9 qemu:7/serial0",
    "q10 qemu:7/other:10",
    "q11 qemu:7/other:11",
  ]);
  assertEquals(diagnosisPlain(queues).split("\n").length, queues.length);
  assertEquals(JSON.parse(diagnosisJson(all)).queues.length, queues.length);
});

Deno.test("dump config lets the fds go before it is too wide, never the target", () => {
  const { device } = indirectRing();
  const view = { guest: "proc:13557", device, type: null };
  assertStringIncludes(configText(view), "CALL FD");
  const narrow = stripAnsiCode(configText(view, COLUMNS));
  assert(widest(narrow) <= COLUMNS, narrow);
  assertStringIncludes(narrow, "proc:13557/blk1:0");
});

Deno.test("the last column of a table is wrapped beside the others, nothing lost", () => {
  const table = {
    columns: [{ head: "WAY" }, { head: "WHAT" }],
    rows: [["doorbell", "not for this target, but for ivshmem: ivshmem:SOCKET"], ["notify", "no"]],
  };
  assertEquals(wrapTable(table, Infinity).split("\n").length, 3);
  assertEquals(stripAnsiCode(wrapTable(table, 44)).split("\n"), [
    "WAY       WHAT",
    "doorbell  not for this target, but for",
    "          ivshmem: ivshmem:SOCKET",
    "notify    no",
  ]);
});

Deno.test("notes of find and remedies of doctor are broken between words", () => {
  const note = "it has no QMP monitor that we can see: devices and rings are unknown. " +
    "Start it with -qmp unix:PATH,server=on,wait=off";
  const guest: Guest = {
    target: "qemu:4242",
    name: "vm1",
    kind: "qemu",
    pid: 4242,
    state: "",
    memory: null,
    note,
    devices: [],
  };
  const found = stripAnsiCode(findText([guest], COLUMNS));
  assert(widest(found) <= COLUMNS, found);
  assertStringIncludes(found.replaceAll("\n", " "), note);
  const check = { name: "qemu:4242", detail: note, remedy: note };
  const checks = [{ ...check, area: "guests" as const, state: "limited" as const }];
  const told = stripAnsiCode(doctorText(checks, COLUMNS));
  assert(widest(told) <= COLUMNS, told);
  assertStringIncludes(told, "\n[1] it has no QMP monitor");
});

Deno.test("find --carve puts what is long below its ring on a narrow terminal", () => {
  const memory = carveMemory();
  const rx = workRing(memory, { layout: "packed", size: 64, descriptor: 0x100000n });
  for (let n = 0; n < 20; n++) rx.run({ room: [1536], answer: arpPacket(1) });
  const carving = carveAll(memory);
  const { rings } = carving;
  const report = {
    target: "core:vm.dump",
    carving,
    rings,
    attachment: { devices: [] },
    milliseconds: 1,
  };
  const wide = stripAnsiCode(carveText(report));
  assert(widest(wide) > COLUMNS, wide);
  const narrow = stripAnsiCode(carveText(report, COLUMNS));
  assert(widest(narrow) <= COLUMNS, narrow);
  assertStringIncludes(narrow, "\n      rx 42 bytes: ARP");
});
