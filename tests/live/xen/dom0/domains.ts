/**
 * Runs in dom0: paused guests first, then the same guests running, with granted pages, rings and
 * event channels. The tests stand in the order of the guests' life.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SourceError } from "../../../../lib/errors.ts";
import { findGuests, openTarget } from "../../../../lib/source/attach.ts";
import type { Attachment } from "../../../../lib/source/source.ts";
import { summarizeGrants } from "../../../../lib/xen/grant_table.ts";
import { openXenHost } from "../../../../lib/xen/host.ts";
import { readGrantTable } from "../../../../lib/xen/read_grants.ts";
import { openStore } from "../../../../lib/xen/store.ts";
import {
  awaitConsole,
  measured,
  pv,
  pvh,
  run,
  shared,
  sharedBy,
  sys,
  textOf,
  type XlGuest,
} from "./guests.ts";

const both: readonly XlGuest[] = [pv, pvh];

const attach = (guest: XlGuest, tail = "", options = {}) =>
  openTarget(`xen:${guest.domain}${tail}`, {
    log: (line) => line.includes(" found ") && measured(`${guest.name}: ${line}`),
    ...options,
  });

function xenRing({ devices }: Attachment, device: string, queue: number) {
  const found = devices.find(({ name }) => name === device)?.queues[queue];
  if (!found?.xen?.open) throw new Error(`no ring ${device}:${queue}`);
  return found.xen.open();
}

function readText({ memory }: Attachment, frame: number, length = 32): string {
  return textOf(memory.bytes(BigInt(frame) * 4096n, length));
}

Deno.test("paused guests are listed with their consoles and stores", async () => {
  const { guests, problems } = await findGuests({ sys });
  assertEquals(problems.filter(({ scheme }) => scheme === "xen"), []);
  const ours = guests.filter(({ kind }) => kind === "xen");
  assertEquals(ours.map(({ name, state }) => [name, state]), [
    ["pv1", "paused"],
    ["pvh1", "paused"],
  ]);
  const names = ours[0].devices.map(({ name }) => name);
  assertEquals(names.slice(0, 2), ["xenstore", "console"]);
  assert(names.includes("vbd-51712") && names.includes("vif-0"), `${names}`);
});

Deno.test("a paused guest's grant table has console and store, and does not grow by a look", () => {
  using host = openXenHost(sys, false);
  for (const { domain } of both) {
    const before = host.calls.grantTableSize(domain);
    const table = readGrantTable(host, domain);
    assertEquals(table.entries.map(({ ref, type, domain }) => [ref, type, domain]), [
      [0, "access", 0],
      [1, "access", 0],
    ]);
    assertEquals(host.calls.grantTableSize(domain), before);
    assert(summarizeGrants(table).limit >= 512);
  }
});

Deno.test("a paused PVH guest's memory is found by frame, a PV guest has no table yet", async () => {
  await using attachment = await attach(pvh);
  const { table } = attachment.memory;
  assert(table.size >= 90n << 20n && table.size <= 100n << 20n, `${table.size}`);
  assert(table.holes().length > 0);
  await using early = await attach(pv);
  const error = assertThrows(() => early.memory, SourceError);
  assertEquals(error.kind, "unsupported");
});

Deno.test("console and xenstore rings of a paused guest are empty", async () => {
  await using attachment = await attach(pvh);
  assertEquals(xenRing(attachment, "console", 0).snapshot().text, "");
  assertEquals(xenRing(attachment, "xenstore", 0).snapshot().inFlight, 0);
});

Deno.test("the guests start", async () => {
  for (const { name } of both) await run("xl", "unpause", name);
  for (const guest of both) {
    await awaitConsole(guest, /SHARER ready/);
    shared.set(guest, sharedBy(guest));
  }
});

Deno.test("running guests: their memory holds what they wrote, by PFN and by GFN", async () => {
  for (const guest of both) {
    const said = shared.get(guest)!;
    await using attachment = await attach(guest);
    assertEquals(readText(attachment, said.plainFrame), "guestmem plain marker page");
    assertEquals(readText(attachment, said.frames[1]), "guestmem rw page 1 of 4");
    const { size } = attachment.memory.table;
    assert(size >= 80n << 20n && size <= 100n << 20n, `${guest.name} ${size}`);
    assertEquals(attachment.writable, null);
  }
});

Deno.test("frames that are not the guest's fail each with their own errno, the others map", () => {
  using host = openXenHost(sys, false);
  using frames = host.privcmd.mapFrames(pvh.domain, [0n, 0x80000n, 1n]);
  assertEquals([0, 1, 2].map((i) => frames.errnoOf(i)), [null, "EINVAL", null]);
  assertEquals(frames.copy(0, new Uint8Array(3 * 4096)), { length: 4096, errno: "EINVAL" });
  assertEquals([frames.live(0, 4096)?.byteLength, frames.live(0, 4097)], [3 * 4096, null]);
  using machine = host.privcmd.mapFrames(pv.domain, [0n, 0xfff_ffffn]);
  assertEquals(machine.failed, 2);
  assertEquals(machine.live(0, 1), null);
});

Deno.test("memory attached for writing is written", async () => {
  const said = shared.get(pvh)!;
  await using attachment = await attach(pvh, "", { write: true });
  const address = BigInt(said.plainFrame) * 4096n + 2048n;
  attachment.writable!.write(address, new TextEncoder().encode("from dom0"));
  assertEquals(textOf(attachment.memory.bytes(address, 32)), "from dom0");
});

Deno.test("grants: all kinds are told apart, and shown in the table", () => {
  using host = openXenHost(sys, true);
  for (const guest of both) {
    const { domain } = guest;
    const { writable, readOnly, other } = shared.get(guest)!;
    const refs = [...writable, ...readOnly, ...other, 1000, 100_000];
    using grants = host.gntdev().mapWritableGrants(domain, refs);
    assertEquals(refs.map((_, i) => grants.faultOf(i)), [
      ...[null, null, null, null],
      ...["read-only grant", "read-only grant"],
      // One is someone else's, one is free: Xen says the same of both.
      ...["not granted to this domain", "not granted to this domain", "bad reference"],
    ]);
    const bytes = new Uint8Array(40);
    grants.copy(4096, bytes);
    assertEquals(textOf(bytes), "guestmem rw page 1 of 4");
    const entries = new Map(
      readGrantTable(host, domain).entries.map((entry) => [entry.ref, entry]),
    );
    assertEquals(entries.get(writable[0])?.mappedBy, 0);
    assertEquals(entries.get(writable[0])?.flags, ["reading", "writing"]);
    assertEquals(entries.get(readOnly[0])?.flags, ["readonly"]);
    assertEquals(entries.get(other[0])?.domain, 7);
    assertEquals(entries.get(1000), undefined);
  }
});

Deno.test("the block device's ring, while the back-end has it, too", async () => {
  for (const guest of both) {
    await using attachment = await attach(guest);
    const ring = xenRing(attachment, "vbd-51712", 0).snapshot();
    assertEquals(ring.findings, []);
    assertEquals([ring.kind, ring.size, ring.inFlight, ring.kickWanted], ["blkif", 32, 0, true]);
    const [requests, responses] = ring.sides;
    assert(requests.producer > 0 && requests.producer === responses.producer);
    assert(ring.entries.some(({ request }) => request.fields.status === "OKAY"));
  }
});

Deno.test("the network device's rings", async () => {
  await using attachment = await attach(pv);
  const rx = xenRing(attachment, "vif-0", 0).snapshot();
  const tx = xenRing(attachment, "vif-0", 1).snapshot();
  assertEquals([rx.kind, rx.size, rx.findings], ["netif-rx", 256, []]);
  assert(rx.inFlight > 0 && rx.entries.at(-1)?.request.type === "rx");
  assertEquals([tx.kind, tx.size, tx.findings], ["netif-tx", 256, []]);
});

Deno.test("console and xenstore rings carry what the guest said", async () => {
  for (const guest of both) {
    await using attachment = await attach(guest);
    const console = xenRing(attachment, "console", 0).snapshot();
    assert(console.text.includes("SHARER ready"), console.text.slice(-200));
    const store = xenRing(attachment, "xenstore", 0).snapshot();
    assertEquals(store.findings, []);
    const texts = store.entries.map(({ request }) => request.type);
    assert(texts.some((type) => ["WRITE", "READ", "WATCH", "TRANSACTION_END"].includes(type)));
  }
});

Deno.test("an unbound port is bound, notified and left as it was; the guest sees the event", async () => {
  const { port } = shared.get(pv)!;
  await using attachment = await attach(pv, `/port-${port}`);
  const device = attachment.devices.at(-1)!;
  const [kick] = attachment.kicks!(device, device.queues[0], "kick");
  assertEquals(kick.possible, true);
  assert(kick.describe().includes(`port ${port} of domain ${pv.domain}: bind it`));
  const { evidence } = await kick.send();
  assert(/was unbound, for domain 0; .* is unbound/.test(evidence[0]), evidence[0]);
  await awaitConsole(pv, new RegExp(`EVENT port=${port} `), 10);
});

Deno.test("a device's channel: the guest can be called, its back-end can not be kicked", async () => {
  await using attachment = await attach(pv);
  const device = attachment.devices.find(({ name }) => name === "vbd-51712")!;
  const [kick] = attachment.kicks!(device, device.queues[0], "kick");
  assert(typeof kick.possible === "string" && kick.possible.includes("only the guest"));
  const [call] = attachment.kicks!(device, device.queues[0], "call");
  assertEquals(call.possible, true);
  const { evidence } = await call.send();
  assert(evidence[0].includes("sent on our port"), evidence[0]);
});

Deno.test("xenstore: watches, transactions, permissions and refusals", async () => {
  using store = openStore({ sys });
  assertEquals(await store.domainPath(pv.domain), `/local/domain/${pv.domain}`);
  const name = `/local/domain/${pv.domain}/name`;
  assertEquals(await store.read(name), "pv1");
  assertEquals(await store.read("/no/such/node"), null);
  assertEquals((await store.permissions(name))?.[0], { access: "none", domain: 0 });
  const pair = await store.transaction(async (reader) => [
    await reader.read(name),
    await reader.read(`/local/domain/${pvh.domain}/name`),
  ]);
  assertEquals(pair, ["pv1", "pvh1"]);
  await store.watch("/tool", "mine");
  assertEquals(await store.nextEvent(2000), { path: "/tool", token: "mine" });
  await run("xenstore-write", "/tool/guestmem", "1");
  assertEquals((await store.nextEvent(2000))?.path, "/tool/guestmem");
  await store.unwatch("/tool", "mine");
  assertEquals(await store.nextEvent(50), null);
  using device = openStore({ sys, path: "/dev/xen/xenbus" });
  assertEquals(await device.read(name), "pv1");
});

Deno.test("no such domain, by every way", async () => {
  const error = await assertRejects(() => openTarget("xen:77", { sys }), SourceError);
  assertEquals(error.kind, "not-found");
  using host = openXenHost(sys, false);
  assertEquals(assertThrows(() => readGrantTable(host, 77), SourceError).kind, "not-found");
  assertEquals(host.gntdev().probe(77, [8]), ["bad domain"]);
});
