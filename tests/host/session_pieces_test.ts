/** What sessions are made of: blocking waits, the origin of mapped bytes, errors and messages. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EFD_NONBLOCK, POLLIN } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import { FileBacking } from "../../ffi/file_backing.ts";
import { Mapping } from "../../ffi/mapping.ts";
import { guestAddress } from "../../lib/address.ts";
import { ProtocolError, SourceError } from "../../lib/errors.ts";
import type { Device, Queue } from "../../lib/guest/guest.ts";
import { type Backing, BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { openXenRing } from "../../lib/ring/xen/ring.ts";
import { openConnection } from "../../lib/session/connection.ts";
import { createShelf } from "../../lib/session/shelf.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { createHolder, type Holder } from "../../lib/session/holder.ts";
import { answersOf } from "../../lib/session/requests.ts";
import { oneAtATime } from "../../lib/session/holder.ts";
import { decodeLine, encodeLine } from "../../lib/session/protocol.ts";
import { fromWire, toWire } from "../../lib/session/wire_error.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { holdings, looseMemfd, pattern, sys, uniqueName } from "../support/host.ts";

Deno.test("pollNow waits as long as it may, and no longer than it must", () => {
  using event = new Fd(sys, sys.eventfd(0, EFD_NONBLOCK));
  const entries = [{ fd: event.number, events: POLLIN }];
  const start = performance.now();
  assertEquals(sys.pollNow(entries, 40), [0]);
  const waited = performance.now() - start;
  assert(waited >= 39 && waited < 1000, `${waited} ms`);
  sys.signal(event.number);
  const again = performance.now();
  assertEquals(sys.pollNow(entries, 5000), [POLLIN]);
  assert(performance.now() - again < 1000);
});

Deno.test("an answer with fewer fds than it counts is no answer, and those that came are closed", () => {
  const lines = [{ ok: "all", fds: 2 }, { ok: "some", fds: 2 }].map((line) => JSON.stringify(line));
  const came = [[7, 8], [9]];
  const { sys: fake, log } = fakeSys({
    script: { sendmsg: (_, bytes) => bytes.length, close() {} },
  });
  const greeting = { protocol: 1, session: "s", pid: 1, started: 0 };
  using connection = openConnection({
    ...{ sys: fake, name: "s", fd: new Fd(fake, 5), greeting, signal: null },
    ...{ log: () => {}, notice: () => {} },
    reader: { next: () => lines.shift() ?? null, takeFds: () => came.shift() ?? [] },
  });
  assertEquals(connection.askNow({ do: "list" }), { value: "all", fds: [7, 8] });
  const error = assertThrows(() => connection.askNow({ do: "list" }), ProtocolError);
  assert(error.message.includes("wanted 2 fds, got 1 (is there room"), error.message);
  assertEquals(log.filter(({ call }) => call === "close").map(({ args }) => args[0]), [9]);
});

Deno.test("what was mapped for a client that has left by then is let go of", async () => {
  const leaving = new AbortController();
  const unmapped: string[] = [];
  const holder: Pick<Holder, "map" | "unmap"> = {
    map() {
      leaving.abort(new DOMException("the client left", "AbortError"));
      return Promise.resolve("m1");
    },
    unmap: (name) => Promise.resolve(void unmapped.push(name)),
  };
  const answer = answersOf(sys, holder as Holder);
  const request = { target: "file:/ram", name: null, write: false, layout: null, replace: false };
  const asking = { signal: leaving.signal, log: () => {}, notice: () => {}, stop: () => {} };
  await assertRejects(() => answer({ do: "map", add: [], ...request }, asking), DOMException);
  assertEquals(unmapped, ["m1"]);
});

Deno.test("the origin of a mapping or a file is where its bytes can be had", () => {
  const name = uniqueName();
  {
    using file = looseMemfd(16384, name);
    sys.pwrite(file.number, pattern(8192), 4096);
    const part = { sys, fd: file.number, offset: 4096, length: 8192, label: name };
    using mapping = Mapping.open(part);
    using backing = new FileBacking({ ...part, offset: 5000 });
    const [byte, wanted] = [new Uint8Array(1), pattern(8192)];
    for (const [origin, first] of [[mapping.origin()!, 0], [backing.origin(), 904]] as const) {
      sys.pread(origin.fd, byte, origin.offset);
      assertEquals(byte[0], wanted[first]);
    }
    mapping.close();
    assertThrows(() => mapping.origin());
  }
  assertEquals(holdings(name), { fds: 0, maps: 0 });
});

Deno.test("memory that is no file's has no origin", () => {
  const { pageSize } = sys;
  const address = sys.mmap(pageSize, 1, 0x22, -1, 0);
  using mapping = Mapping.adopt({ sys, address, length: pageSize, label: "anonymous" });
  assertEquals(mapping.origin(), null);
});

Deno.test("errors cross the socket as what they are", () => {
  const errors = [
    new SourceError("qemu", "read memory", "permission", "may not", "be root"),
    new SyscallError("open", "ENOENT", "/a/b", "make it"),
    new SyscallError("mmap", "ENOMEM", 7),
    new ProtocolError("layout", "memory[0]", "a", "b", 5),
  ];
  for (const error of errors) {
    const back = fromWire(decodeLine(JSON.stringify(toWire(error))) as ReturnType<typeof toWire>);
    assertEquals({ ...back, message: back.message }, { ...error, message: error.message });
    assertEquals(back.constructor, error.constructor);
  }
  const other = fromWire(toWire(new RangeError("too much")));
  assert(other instanceof SourceError && other.kind === "failed");
});

Deno.test("64-bit values cross the socket exactly", () => {
  const value = { a: 0n, b: [2n ** 64n - 1n, { c: 2n ** 53n + 1n }], d: "0x1", e: 7, f: null };
  assertEquals(decodeLine(new TextDecoder().decode(encodeLine(value))), value);
});

Deno.test("a shelf knows the backings of now, and passes files as fds of the answer's own", () => {
  using file = looseMemfd(8192);
  using mapping = Mapping.open({ sys, fd: file.number, length: 8192, label: "ram" });
  const pages = new BufferBacking(new ArrayBuffer(4096), "ring");
  const region = { guest: guestAddress(0n), length: 4096n, offset: 0, access: "ro", user: null };
  const tableOf = (backing: Backing) =>
    new GuestMemory(new RegionTable([{ ...region, access: "ro", backing, name: "r" }]));
  const ring = openXenRing({ kind: "blkif", abi: "x86_64-abi", pages });
  const xen = { kind: "blkif", open: () => ring } as const;
  const queue = { index: 0, name: "ring", ring: null, note: "", xen } as unknown as Queue;
  const device = { name: "vbd", queues: [queue] } as unknown as Device;
  const attachment = { memory: tableOf(mapping), devices: [device] } as unknown as Attachment;
  const shelf = createShelf(sys, attachment);

  const first = shelf.memory(0);
  assertEquals([first.value!.generation, first.fds.length], [1, 1]);
  assertEquals(sys.fstat(first.fds[0]).inode, sys.fstat(file.number).inode);
  closeAll(sys, first.fds);
  const { id } = first.value!.backings[0];
  assertEquals([shelf.backing(id), shelf.memory(1).value], [mapping, null]);

  const opened = shelf.ring(device, queue);
  assertEquals([opened.fds, opened.value.kind, opened.value.pages.fd], [[], "blkif", null]);
  assertEquals(shelf.backing(opened.value.pages.id), pages);
  assertEquals(shelf.ring(device, queue).value.pages.id, opened.value.pages.id, "the same ring");

  Object.assign(attachment, { memory: tableOf(new BufferBacking(new ArrayBuffer(4096))) });
  const second = shelf.memory(1);
  assertEquals([second.value!.generation, second.fds.length], [2, 0]);
  assertEquals(shelf.backing(id), null, "what was replaced is not read any more");
  assertEquals(shelf.backing(opened.value.pages.id), pages, "a ring is not memory");
});

Deno.test("one at a time, in order, also after a failure", async () => {
  const alone = oneAtATime();
  const order: number[] = [];
  const step = (n: number, fail = false) => async () => {
    order.push(n);
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push(-n);
    if (fail) throw new Error(`${n}`);
    return n;
  };
  const results = await Promise.allSettled([alone(step(1)), alone(step(2, true)), alone(step(3))]);
  assertEquals(order, [1, -1, 2, -2, 3, -3]);
  assertEquals(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
});

Deno.test("a holder lets go of everything, the last first, and of what it could not map at once", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, pattern(8192));
  const how = { write: false, layout: null, add: [], replace: false, signal: null, log: () => {} };
  {
    await using holder = createHolder("x", sys);
    const map = (target: string, name: string | null = null) =>
      holder.map({ ...how, target, name });
    assertEquals([await map(`file:${path}`), await map(`file:${path}`, "b")], ["m1", "b"]);
    assertEquals(holdings(path).maps, 2);
    await map("file:/nonexistent", "c").catch(() => {});
    assertEquals(await map(`file:${path}`, "c"), "c", "a name that failed is free again");
    assertEquals(await map(`file:${path}`), "m2");
    await holder.unmap("m2");
    await holder.unmap("m1");
    assertEquals(await map(`file:${path}`), "m3", "numbers are not used twice");
    assertThrows(() => holder.get("m1"), SourceError, 'holds no "m1"');
    assertEquals(holder.list().map(({ name }) => name), ["b", "c", "m3"]);
  }
  assertEquals(holdings(path), { fds: 0, maps: 0 });
  await Deno.remove(path);
});
