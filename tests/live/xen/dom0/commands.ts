/**
 * Runs in dom0: the command line over running guests.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { UsageError } from "../../../../cli/context.ts";
import { SourceError } from "../../../../lib/errors.ts";
import { checkOutput } from "../../../support/schemas.ts";
import { openTarget } from "../../../../lib/source/attach.ts";
import { freePort, guestmem, guestmemUntil, holder, xen } from "./guestmem.ts";
import { awaitConsole, consoleLog, pv, pvh, run, shared, textOf } from "./guests.ts";

Deno.test("doctor: the devices, the hypervisor and xenstore answer", async () => {
  const { text } = await guestmem("doctor");
  assertMatch(text, /^xen +privcmd +ok/m);
  assertMatch(text, /^xen +hypervisor +ok +Xen 4\.\d+, domctl interface 0x[0-9a-f]+ *$/m);
  assertMatch(text, /^xen +xenstore +ok +3 domains, by .*socket/m);
});

Deno.test("find lists domains with devices and targets", async () => {
  const { text } = await guestmem("find");
  assertMatch(text, /xen +pv1 .* 96M .*xen:1$/m);
  assertMatch(text, /vbd +0 \(ring\) +blkif at grant 8 +xen:1\/vbd-51712:0/);
  assertMatch(text, /vif +1 \(tx0\) +netif-tx at grant \d+ +xen:2\/vif-0:1/);
});

Deno.test("dump grants: table, summary, JSON, alarm", async () => {
  const { text } = await guestmem("dump", "grants", xen(pv), "--limit", "3");
  assertMatch(text, /^ +0 +access +0 +0x[0-9a-f]+ +reading,writing +domain 0 +console$/m);
  assertMatch(text, /version 1: \d+ of 32768 entries used \(0\.\d %\), 2 of 64 frames; \d+ mapped/);
  const verbose = await guestmem("dump", "grants", xen(pv), "--verbose", "--limit", "1");
  const told =
    /grant table of domain 1 mapped and read, read-only: version 1, 2 frames, \d+ entries/;
  assertMatch(verbose.text, told);
  const line = (await guestmem("dump", "grants", xen(pv), "--json")).text;
  checkOutput(line);
  const json = JSON.parse(line);
  const { other } = shared.get(pv)!;
  const entries = json.entries as { ref: number; domain: number }[];
  assertEquals(entries.find(({ ref }) => ref === other[0])?.domain, 7);
  assertEquals([json.schema, json.alarm, json.limit], ["guestmem/grants/1", false, 32768]);
  const alarm = await guestmem("dump", "grants", xen(pv), "--watch", "--check", "--alarm", "0.1");
  assertEquals(alarm.code, 3);
  assertMatch(alarm.text, /ALARM/);
});

Deno.test("dump ring: the block device's ring, and all rings of a guest", async () => {
  const { text } = await guestmem("dump", "ring", xen(pv, "/vbd-51712:0"));
  assertMatch(text, /blkif ring, 32 slots, x86_64-abi/);
  assertMatch(text, /requests +front-end +\d+ +\d+ +\d+ +kick wanted for the next/);
  assertMatch(text, /answered +WRITE OKAY/);
  const { text: all } = await guestmem("dump", "ring", xen(pvh), "--json");
  const lines = all.split("\n");
  lines.forEach((line) => checkOutput(line));
  const kinds = lines.map((line) => JSON.parse(line).kind);
  assertEquals(kinds, ["xenstore", "console", "blkif", "netif-rx", "netif-tx"]);
});

Deno.test("dump mem shows what the guest wrote, by PFN", async () => {
  const address = shared.get(pv)!.plainFrame * 4096;
  const { text } = await guestmem("dump", "mem", xen(pv), `${address}`, "32");
  assertMatch(text, /guestmem plain m/);
});

Deno.test("diagnose and watch take a shared ring as a queue", async () => {
  const { text } = await guestmem("diagnose", xen(pv, "/vbd-51712:0"), "--for", "200ms");
  assertMatch(text, /idle/);
  const words = ["watch", xen(pv, "/vbd-51712:0"), "--count", "1", "--interval", "500ms"];
  const json = JSON.parse((await guestmem(...words, "--json")).text);
  assertEquals([json.target, json.inFlight], [xen(pv, "/vbd-51712:0"), 0]);
  // Nobody is behind the network device: its interface in dom0 is down.
  const stalled = await guestmem("diagnose", xen(pv, "/vif-0:1"), "--for", "200ms");
  assertMatch(stalled.text, /a kick was due: available is past the device's avail_event/);
});

/** What a watch serves once its guest is up. */
async function scrapeUp(url: string): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const text = await fetch(url).then((answer) => answer.text(), () => "");
    if (/^guestmem_guest_up\{.*\} 1$/m.test(text)) return text;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${url}: no guest`);
}

/** Grants that come and go between two looks, of some 300. */
const FEW = 16;

Deno.test("watch --metrics serves the grant table as dump grants counts it, and grows it not", async () => {
  const table = async () => JSON.parse((await guestmem("dump", "grants", xen(pv), "--json")).text);
  const before = await table();
  const port = freePort();
  const stop = new AbortController();
  const words = ["watch", xen(pv), "--metrics", `${port}`, "--interval", "200ms"];
  const watching = guestmemUntil(stop.signal, () => {}, ...words);
  let text: string;
  try {
    text = await scrapeUp(`http://127.0.0.1:${port}/metrics`);
  } finally {
    stop.abort();
    await watching;
  }
  const value = (name: string) =>
    Number(
      new RegExp(`^guestmem_grant_${name}\\{guest="${xen(pv)}"\\} (\\d+)$`, "m").exec(text)?.[1],
    );
  const { frames, maxFrames, limit, used } = await table();
  assertEquals(
    ["frames", "frames_limit", "entries_limit"].map(value),
    [frames, maxFrames, limit],
    text,
  );
  assertEquals(frames, before.frames, "a look does not make the table grow");
  // A guest that lives grants and takes back a few at any moment.
  assert(Math.abs(value("entries") - used) <= FEW && Math.abs(used - before.used) <= FEW, text);
  assertMatch(text, /^guestmem_in_flight\{guest="xen:1",device="vbd-51712",queue="ring"\} 0$/m);
});

Deno.test("map: the memory table, with the holes of a PVH guest", async () => {
  const { text, code } = await guestmem("map", xen(pvh));
  assertMatch(text, /^ +0x0 +0x6000000 +96M +ro .* ok$/m);
  assertMatch(text, /hole/);
  assertEquals(code, 0);
});

Deno.test("map --grants: what can be mapped is, the rest says why", async () => {
  const { writable, other } = shared.get(pv)!;
  const list = `8,${writable[0]}-${writable[1]},${other[0]},1000,100000`;
  const { text, code } = await guestmem("map", xen(pv), "--grants", list);
  assertEquals(code, 1);
  assertMatch(text, /mapped +guestmem rw page 1 of 4/);
  assertMatch(text, /granted to domain 7, not to us/);
  assertMatch(text, / 1000 +free: nothing is granted by it/);
  assertMatch(text, /100000 +beyond the table's 1024 entries/);
  assertMatch(text, /3 of 6 grants mapped read-only; unmapped/);
  const json = await guestmem("map", xen(pv), "--grants", list, "--json");
  checkOutput(json.text);
  assertEquals(JSON.parse(json.text).mapped, 3);
});

Deno.test("map --write of a running domain wants --yes, and says what is read-only", async () => {
  const { writable, readOnly } = shared.get(pv)!;
  const list = `${writable[0]},${readOnly[0]}`;
  const words = ["map", xen(pv), "--grants", list, "--write"];
  await assertRejects(() => guestmem(...words), UsageError, "is running");
  await assertRejects(() => guestmem("map", xen(pv), "--write"), UsageError, "is running");
  const added = ["map", "file:/etc/hostname", "--add", `0x10000=${xen(pv)}`, "--write"];
  await assertRejects(() => guestmem(...added), UsageError, "is running");
  const { text } = await guestmem(...words, "--yes");
  assertMatch(text, /granted read-only; map it without --write/);
  assertMatch(text, /1 of 2 grants mapped writable/);
});

Deno.test("map --frames, with a hole and a frame beyond", async () => {
  const frame = shared.get(pv)!.plainFrame;
  const { text } = await guestmem("map", xen(pv), "--frames", `${frame},0xfffff`);
  assertMatch(text, /mapped +guestmem plain marker page/);
  assertMatch(text, /hole: the guest has no memory there/);
  const pvhText = (await guestmem("map", xen(pvh), "--frames", "0,0x80000")).text;
  assertMatch(pvhText, /0x80000 +EINVAL/);
});

Deno.test("a list of 100,000 references is mapped as far as it can be", async () => {
  const start = performance.now();
  const { text, code } = await guestmem("map", xen(pv), "--grants", "0-99999");
  assertEquals(code, 1);
  assertMatch(text, /beyond the table's 1024 entries/);
  assert(performance.now() - start < 60_000);
});

Deno.test("kick: an unbound port by binding it, a device's channel from the other end", async () => {
  const { port } = shared.get(pv)!;
  const target = xen(pv, `/port-${port}`);
  const { text } = await guestmem("kick", target);
  assertMatch(text, /bind it, send one event .* unbind it/);
  await awaitConsole(pv, new RegExp(`EVENT port=${port} `), 10);
  await assertRejects(
    () => guestmem("kick", xen(pv, "/vbd-51712:0")),
    SourceError,
    "only the guest can signal its back-end",
  );
  const call = await guestmem("kick", xen(pv, "/vbd-51712:0"), "--call");
  assertMatch(call.text, /sent on our port/);
});

Deno.test("an offered page is mapped by its reference, and ends with the offer", async () => {
  const stop = new AbortController();
  const { promise: reference, resolve } = Promise.withResolvers<string>();
  const offer = guestmemUntil(
    stop.signal,
    (text) => resolve(/references (\d+)/.exec(text)?.[1] ?? ""),
    ...["map", "--offer", "0", "--text", "hello from an offer", "--write"],
  );
  const ended = AbortSignal.abort();
  checkOutput((await guestmemUntil(ended, () => {}, "map", "--offer", "0", "--json")).text);
  const ref = await reference;
  const { text } = await guestmem("map", "xen:0", "--grants", ref);
  assertMatch(text, /mapped +hello from an offer/);
  stop.abort();
  assertMatch((await offer).text, /first page at the end: "hello from an offer"/);
  const after = await guestmem("map", "xen:0", "--grants", ref);
  assertEquals(after.code, 1);
});

Deno.test("map --notify-on-unmap tells the offer that its mapping was killed", async () => {
  const stop = new AbortController();
  const { promise: reference, resolve } = Promise.withResolvers<string>();
  const offer = guestmemUntil(
    stop.signal,
    (text) => resolve(/references (\d+)/.exec(text)?.[1] ?? ""),
    ...["map", "--offer", "0", "--text", "XYZ is here", "--write"],
  );
  const words = ["map", "xen:0", "--grants", await reference, "--write", "--yes", "--hold"];
  const held = await holder(...words, "--notify-on-unmap");
  held.kill("SIGKILL");
  await held.status;
  // The kernel unmaps when the process is gone, and clears the byte.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  stop.abort();
  const { text } = await offer;
  assertMatch(text, /first page at the end: "\.YZ is here/);
});

Deno.test("a virtqueue whose descriptors name grants is walked and decoded", async () => {
  const { ringRef } = shared.get(pvh)!;
  const page = (1n << 63n) | (BigInt(ringRef) << 12n);
  const at = (offset: bigint) => `0x${(page + offset).toString(16)}`;
  const layout = {
    format: "ring-image/1",
    devices: [{
      ...{ name: "disk", type: "blk", features: "0x300000000" },
      queues: [{
        ...{ layout: "split", queue_size: 16, desc: at(0n), avail: at(0x400n), used: at(0x800n) },
      }],
    }],
  };
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, JSON.stringify(layout));
  const target = xen(pvh, "/disk:0");
  const { text } = await guestmem("dump", "ring", target, "--layout", file, "--recent", "1");
  assertMatch(text, /IN sector 43/);
  assertMatch(text, /IN sector 42/);
  assert(!text.includes("finding"), text);
  const json = await guestmem("dump", "ring", target, "--layout", file, "--json");
  const [chain] = JSON.parse(json.text).chains;
  assertEquals(chain.descriptors.map(({ status }: { status: string }) => status), [
    "ok",
    "ok",
    "ok",
  ]);
});

Deno.test("a destroyed guest is a zombie until TERM, INT, KILL and dispose let go of it", async () => {
  const { writable, plainFrame } = shared.get(pvh)!;
  const attachment = await openTarget(xen(pvh));
  const marker = () => textOf(attachment.memory.bytes(BigInt(plainFrame) * 4096n, 32));
  assertEquals(marker(), "guestmem plain marker page");
  const held = await Promise.all([
    holder("map", xen(pvh), "--grants", `${writable[0]}`, "--hold"),
    holder("map", xen(pvh), "--frames", `${plainFrame}`, "--hold"),
    holder("map", xen(pvh), "--hold"),
  ]);
  await run("xl", "destroy", pvh.name);
  assertEquals(marker(), "guestmem plain marker page");
  const { text } = await guestmem("find");
  assertMatch(text, new RegExp(`dying.*${xen(pvh)}$`, "m"));
  assertMatch(text, /somebody still has pages of it mapped/);
  const ends = ["SIGTERM", "SIGINT", "SIGKILL"] as const;
  held.forEach((child, i) => child.kill(ends[i]));
  const codes = await Promise.all(held.map(async (child) => (await child.status).code));
  // The kernel unmaps for a process that is killed.
  assertEquals(codes, [130, 130, 137]);
  assertMatch(await run("xl", "list"), /\(null\)/);
  await attachment[Symbol.asyncDispose]();
  let list = "";
  for (let tries = 0; tries < 50; tries++) {
    list = await run("xl", "list");
    if (!list.includes("(null)")) return assertNotMatch((await guestmem("find")).text, /dying/);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(list);
});

Deno.test("a domain that is gone is not found, by every command", async () => {
  for (
    const words of [["map", xen(pvh)], ["dump", "grants", xen(pvh)], ["dump", "ring", xen(pvh)]]
  ) {
    const error = await assertRejects(() => guestmem(...words), SourceError, "no domain");
    assertEquals(error.kind, "not-found");
  }
  const words = ["map", xen(pvh), "--grants", "8"];
  await assertRejects(() => guestmem(...words), SourceError, "no domain 2");
  assert(!consoleLog(pv).includes("Call Trace"));
});
