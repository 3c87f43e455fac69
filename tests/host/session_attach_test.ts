/** What a session holds, attached from another process: by fds, and by asking. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type GuestMemoryError, isSyscallFailure, SourceError } from "../../lib/errors.ts";
import { isReadable, reportRing } from "../../lib/guest/ring_report.ts";
import { selectQueues } from "../../lib/guest/select.ts";
import { chooseKick, kicksOf } from "../../lib/kick/choose.ts";
import { look } from "../../lib/session/folder.ts";
import { openTarget } from "../../lib/source/attach.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { holdings, pattern, startChild, sys } from "../support/host.ts";
import { writeImage } from "../support/images.ts";
import { attachFrom, startSessionProcess } from "../support/session.ts";
import { type FrontEnd, frontEnd } from "../support/vhost_front_end.ts";
import { connectPeer } from "../support/vhost_peer.ts";

function rings(attachment: Attachment): unknown[] {
  return selectQueues(attachment.devices, attachment.target).filter(isReadable).map((queue) => {
    const { snapshot } = reportRing(attachment.memory, queue, null, { chains: "outstanding" });
    const chains = Array.from({ length: snapshot.chainCount }, (_, n) => snapshot.chain(n));
    return { available: snapshot.available, used: snapshot.used, chains, name: queue.queue.name };
  });
}

/** The first descriptor as the front-end wrote it. */
function tableOf({ memory }: FrontEnd): Uint8Array {
  const bytes = new Uint8Array(8);
  memory.copy(0x1000, bytes);
  return bytes;
}

function table({ memory }: Attachment): unknown[] {
  return memory.table.regions.map(({ backing: { label, length, pageSize }, ...region }) => ({
    ...region,
    backing: { label, length, pageSize },
  }));
}

Deno.test("a held image reads like the image itself, in memory mapped here", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  const { raw, layout } = await writeImage("split_256_chain3", runtime);
  const name = await session.map(`file:${raw}`, layout);
  assertEquals(name, "m1");
  {
    await using held = await attachFrom(session, "m1@s");
    await using direct = await openTarget(`file:${raw}`, { sys, layout });
    assertEquals(table(held), table(direct));
    assertEquals(rings(held), rings(direct));
    assertEquals(rings(held).length, 1);
    const own = sys.readText("/proc/self/maps").split("\n").filter((line) => line.includes(raw));
    assertEquals(own.length, 2, "one mapping of each attachment");
  }
  assert(!sys.readText("/proc/self/maps").includes(raw));
  await Deno.remove(runtime, { recursive: true });
});

Deno.test("memory that was replaced in a session is let go of by the refresh after", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  const ram = `${runtime}/ram`;
  await Deno.writeFile(ram, pattern(4096));
  await session.map(`file:${ram}`);
  await using held = await attachFrom(session, "m1@s");
  for (let pages = 2; pages < 6; pages++) {
    const before = held.memory;
    await Deno.truncate(ram, pages * 4096);
    await held.refresh();
    assertEquals(held.memory.table.size, BigInt(pages) * 4096n);
    assertEquals(holdings(ram).maps, 2, "the new one, and the one before");
    assertEquals(before.bytes(0n, 4), pattern(4));
  }
  await held.refresh();
  assertEquals(held.memory.bytes(0n, 4), pattern(4));
  assertEquals(holdings(ram).maps, 1);
  await held[Symbol.asyncDispose]();
  assertEquals(holdings(ram), { fds: 0, maps: 0 });
  await Deno.remove(runtime, { recursive: true });
});

Deno.test("memory of another process is read through the session", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  await using child = await startChild("console.log('ready')");
  // What V8 has reserved can not be read; what of the program is mapped can.
  const line = sys.readText(`/proc/${child.pid}/maps`).split("\n")
    .find((text) => / r..p .*\/deno/.test(text)) ?? "";
  const [start, end] = line.split(" ")[0].split("-").map((digits) => BigInt(`0x${digits}`));
  const size = Number(end - start) < 1 << 20 ? Number(end - start) : 1 << 20;
  const memory = [{ address: `0x${start.toString(16)}`, gpa: "0x1000", size }];
  const layout = `${runtime}/layout.json`;
  await Deno.writeTextFile(layout, JSON.stringify({ format: "ring-image/1", memory }));
  await session.map(`proc:${child.pid}`, layout);

  await using held = await attachFrom(session, "m1@s");
  const wanted = new Uint8Array(size);
  assertEquals(sys.processVmReadv(child.pid, start, wanted), size);
  assertEquals(held.memory.bytes(0x1000n, size), wanted);
  const { backing } = held.memory.table.regions[0];
  assertEquals(backing.live(0, 16), null, "nothing of it is mapped here");
  assertEquals(backing.nextData(100), { start: 100, end: size });
  assertEquals(backing.nextData(size), null);
  const beyond = new Uint8Array(100);
  assertEquals(backing.copy(size - 10, beyond), { length: 10, errno: "EFAULT" });

  await child.end();
  assertEquals(backing.copy(0, new Uint8Array(8)), { length: 0, errno: "ESRCH" });
  await Deno.remove(runtime, { recursive: true });
});

Deno.test("the rights of what is held are all that is given", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  await Deno.writeFile(`${runtime}/ram`, pattern(8192));
  await session.map(`file:${runtime}/ram`);
  const error = await assertRejects(() => attachFrom(session, "m1@s", true), SourceError);
  assertEquals([error.kind, error.remedy], ["permission", "map it with --write --session s"]);

  await session.map(`file:${runtime}/ram`, null, true);
  {
    await using reader = await attachFrom(session, "m2@s");
    assertEquals([reader.writable, reader.memory.table.regions[0].access], [null, "ro"]);
    await using writer = await attachFrom(session, "m2@s", true);
    writer.writable!.write(16n, Uint8Array.of(1, 2, 3));
    assertEquals([...reader.memory.bytes(16n, 3)], [1, 2, 3]);
  }
  await Deno.remove(runtime, { recursive: true });
});

Deno.test("what is held with rights that differ is mapped with those of each part", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  const [ram, more] = [`${runtime}/ram`, `${runtime}/more`];
  for (const file of [ram, more]) await Deno.writeFile(file, pattern(8192));
  for (const write of [true, false]) {
    const add = [`1M=file:${more}:0+4K:${write ? "ro" : "rw"}`];
    const common = { do: "map", target: `file:${ram}`, name: null, layout: null } as const;
    const name = await session.ask<string>({ ...common, write, add, replace: false });
    await using held = await attachFrom(session, `${name}@s`, true);
    const { regions } = held.memory.table;
    assertEquals(regions.map(({ access }) => access), write ? ["rw", "ro"] : ["ro", "rw"]);
    const [may, mayNot] = write ? [0x10n, 0x100010n] : [0x100010n, 0x10n];
    held.writable!.write(may, Uint8Array.of(1, 2, 3));
    assertEquals([...held.memory.bytes(may, 3)], [1, 2, 3]);
    const error = assertThrows(() => held.writable!.write(mayNot, Uint8Array.of(1)));
    assertEquals((error as GuestMemoryError).kind, "read-only");
  }
  await Deno.remove(runtime, { recursive: true });
});

Deno.test("errors keep kind and remedy across the socket", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  const unknown = await assertRejects(() => attachFrom(session, "m7@s"), SourceError);
  assertEquals([unknown.kind, unknown.remedy], ["not-found", "it holds nothing"]);
  const missing = await assertRejects(() => session.map("file:/nonexistent/ram"), SourceError);
  const direct = await assertRejects(() => openTarget("file:/nonexistent/ram"), SourceError);
  assertEquals(
    [missing.message, missing.kind, missing.remedy],
    [direct.message, direct.kind, direct.remedy],
  );
  const own = await assertRejects(() => session.map("m1@s"), SourceError);
  assertEquals(own.kind, "unsupported");
  const call = await assertRejects(() =>
    session.ask({ do: "tap", listen: "/nonexistent/a", connect: "/b" })
  );
  assert(isSyscallFailure(call) && call.errno === "ENOENT", String(call));
  assertEquals(await session.list(), []);
  await Deno.remove(runtime, { recursive: true });
});

Deno.test("a session that is killed takes its clients' reads with it, and says so", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  await Deno.writeFile(`${runtime}/ram`, pattern(8192));
  const memory = [{ address: "0x1000", gpa: "0x0", size: 4096 }];
  await Deno.writeTextFile(`${runtime}/l.json`, JSON.stringify({ format: "ring-image/1", memory }));
  await session.map(`file:${runtime}/ram`);
  await session.map(`proc:${session.pid}`, `${runtime}/l.json`);
  await using mapped = await attachFrom(session, "m1@s");
  await using asked = await attachFrom(session, "m2@s");
  assertEquals(mapped.memory.bytes(0n, 4), pattern(4));
  const { backing } = asked.memory.table.regions[0];
  assertEquals(backing.copy(0, new Uint8Array(1)).errno, "EFAULT", "nothing is mapped at 0x1000");

  await session.kill("SIGKILL");
  assertEquals(backing.copy(0, new Uint8Array(1)).errno, "ECONNRESET");
  assertEquals(mapped.memory.bytes(0n, 4), pattern(4), "our own mapping is ours");
  for (const attachment of [mapped, asked]) {
    const error = await assertRejects(() => attachment.refresh(), SourceError);
    assertEquals([error.kind, error.message], [
      "not-found",
      'session: ask: session "s" has ended, and with it all that it held',
    ]);
  }
  const late = await assertRejects(() => attachFrom(session, "m1@s"), SourceError);
  assertEquals(late.kind, "not-found");
  assert(late.message.includes("has ended without removing"), late.message);
  await Deno.remove(runtime, { recursive: true });
});

Deno.test("a vhost-user connection that the session itself serves", async () => {
  const runtime = await Deno.makeTempDir();
  await using session = await startSessionProcess(runtime);
  const socket = `${runtime}/back.sock`;
  const mapping = session.map(`vhost:${socket}`);
  while (look(socket) === null) await new Promise((resolve) => setTimeout(resolve, 10));
  {
    using peer = connectPeer(socket);
    using guest = await frontEnd(peer);
    assertEquals(await mapping, "m1");
    guest.add(0);
    await using held = await attachFrom(session, "m1@s");
    const [{ queue, device }] = selectQueues(held.devices, held.target).filter(isReadable);
    assertEquals(rings(held).length, 1);
    assertEquals(held.memory.bytes(0x1000n, 8), tableOf(guest));
    // The eventfds are the session's: the client takes them from there.
    assertEquals(queue.notifier?.pid, session.pid);
    const kick = chooseKick(kicksOf(held, device, queue, "call", { sys }), null);
    await kick.send();
    assertEquals(sys.drain(guest.calls[0].number), 1n);
  }
  await Deno.remove(runtime, { recursive: true });
});
