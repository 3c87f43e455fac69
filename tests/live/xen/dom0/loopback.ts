/**
 * Runs in dom0: grants and event channels of dom0 to itself.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../../../ffi/errno.ts";
import { openEvtchn } from "../../../../ffi/xen/evtchn.ts";
import { openGntalloc } from "../../../../ffi/xen/gntalloc.ts";
import { openGntdev } from "../../../../ffi/xen/gntdev.ts";
import { openHypercalls } from "../../../../ffi/xen/hypercall.ts";
import { openPrivcmd } from "../../../../ffi/xen/privcmd.ts";
import { measured, sys, textOf as text } from "./guests.ts";

const encode = (value: string) => new TextEncoder().encode(value + "\0");

Deno.test("a page offered by gntalloc is mapped by gntdev, read-only and live", () => {
  using alloc = openGntalloc(sys);
  using offered = alloc.offer(0, 2, true);
  assertEquals(offered.refs.length, 2);
  offered.store(4096, encode("second page"));
  using gntdev = openGntdev(sys);
  using grants = gntdev.mapGrants(0, offered.refs);
  const bytes = new Uint8Array(16);
  assertEquals(grants.copy(4096, bytes), { length: 16, errno: null });
  assertEquals(text(bytes), "second page");
  offered.store(4096, encode("changed"));
  assertEquals(text(new Uint8Array(grants.live(0, 8192)!, 4096, 16)), "changed");
  assert(!("store" in grants));
});

Deno.test("a writable mapping writes into the offered page", () => {
  using alloc = openGntalloc(sys);
  using offered = alloc.offer(0, 1, true);
  using gntdev = openGntdev(sys, true);
  using grants = gntdev.mapWritableGrants(0, offered.refs);
  assertEquals(grants.store(100, encode("by gntdev")), { length: 10, errno: null });
  const bytes = new Uint8Array(10);
  offered.copy(100, bytes);
  assertEquals(text(bytes), "by gntdev");
});

Deno.test("each grant that can not be mapped says why, the others are mapped", () => {
  using alloc = openGntalloc(sys);
  using mine = alloc.offer(0, 1, true);
  using readOnly = alloc.offer(0, 1, false);
  using other = alloc.offer(7, 1, true);
  using gntdev = openGntdev(sys, true);
  const refs = [mine.refs[0], readOnly.refs[0], other.refs[0], 3000, 4_000_000];
  using grants = gntdev.mapWritableGrants(0, refs);
  assertEquals(refs.map((_, i) => grants.faultOf(i)), [
    null,
    "read-only grant",
    "not granted to this domain",
    "bad reference",
    "bad reference",
  ]);
  assertEquals(grants.failed, 4);
  assertEquals(grants.copy(0, new Uint8Array(4097)), { length: 4096, errno: "EINVAL" });
  using nowhere = gntdev.mapGrants(99, [mine.refs[0]]);
  assertEquals(nowhere.faultOf(0), "bad domain");
});

Deno.test("grants by the hundred take one mapping", () => {
  using alloc = openGntalloc(sys);
  using offered = alloc.offer(0, 600, false);
  using gntdev = openGntdev(sys);
  using grants = gntdev.mapGrants(0, offered.refs);
  assertEquals(grants.failed, 0);
  assert(grants.live(0, 600 * 4096) !== null);
});

Deno.test("the offset of a mapping is found by its address", () => {
  using alloc = openGntalloc(sys);
  using offered = alloc.offer(0, 3, false);
  const mapped: bigint[] = [];
  const mmap: typeof sys.mmap = (...words) => {
    const address = sys.mmap(...words);
    mapped.push(address);
    return address;
  };
  using gntdev = openGntdev({ ...sys, mmap });
  using _grants = gntdev.mapGrants(0, offered.refs);
  assertEquals(gntdev.offsetOf(mapped.at(-1)!).count, 3);
  assertThrows(() => gntdev.offsetOf(4096n), SyscallError);
});

Deno.test("a use after the mapping is closed touches nothing", () => {
  using alloc = openGntalloc(sys);
  using offered = alloc.offer(0, 1, false);
  using gntdev = openGntdev(sys);
  const grants = gntdev.mapGrants(0, offered.refs);
  const view = new Uint8Array(grants.live(0, 4096)!);
  grants[Symbol.dispose]();
  assertEquals(view.length, 0);
  assertEquals(grants.copy(0, new Uint8Array(4)), { length: 0, errno: "EBADF" });
  assertEquals(grants.live(0, 4), null);
});

Deno.test("the unmap notice clears its byte and sends its event", async () => {
  using alloc = openGntalloc(sys);
  using offered = alloc.offer(0, 1, true);
  offered.store(9, Uint8Array.of(0x55));
  using gntdev = openGntdev(sys, true);
  using events = openEvtchn(sys);
  const theirs = events.bindUnbound(0);
  const ours = events.bindInterdomain(0, theirs);
  events.unmask(events.pending());
  {
    using grants = gntdev.mapWritableGrants(0, offered.refs);
    grants.noticeUnmap({ clearByte: 9, port: ours });
    assertEquals(events.pending(), []);
  }
  assert(await events.wait(2000));
  assert(events.pending().includes(theirs));
  const byte = new Uint8Array(1);
  offered.copy(9, byte);
  assertEquals(byte[0], 0);
});

Deno.test("an event channel to ourselves carries an event", async () => {
  using events = openEvtchn(sys);
  const theirs = events.bindUnbound(0);
  const ours = events.bindInterdomain(0, theirs);
  events.unmask(events.pending());
  const start = performance.now();
  events.notify(ours);
  assert(await events.wait(2000));
  measured(`event round ${(performance.now() - start).toFixed(1)} ms`);
  assertEquals(events.pending(), [theirs]);
  events.unbind(ours);
  const error = assertThrows(() => events.notify(ours), SyscallError);
  assertEquals(error.errno, "ENOTCONN");
  assertEquals(assertThrows(() => events.bindInterdomain(99, 1), SyscallError).errno, "ESRCH");
  assertEquals(assertThrows(() => events.bindInterdomain(0, 999), SyscallError).errno, "EINVAL");
});

Deno.test("hypercalls tell the version, dom0 and what is not there", () => {
  using privcmd = openPrivcmd(sys);
  using calls = openHypercalls(sys, privcmd);
  assert(/^4\.\d+$/.test(calls.version()), calls.version());
  const info = calls.domainInfo(0)!;
  assertEquals([info.domain, info.flags & 2], [0, 0]);
  assert(info.totalPages > 300_000, `${info.totalPages}`);
  assertEquals(calls.domainInfo(99), null);
  assertEquals(calls.grantTableSize(99), null);
  const size = calls.grantTableSize(0)!;
  assert(size.frames > 0 && size.frames <= size.maxFrames, JSON.stringify(size));
  assertEquals(calls.grantTableVersion(0), 1);
  measured(`Xen ${calls.version()}, domctl version ${calls.domctlVersion}`);
});

Deno.test("frames of no domain, and of our own", () => {
  using privcmd = openPrivcmd(sys);
  const error = assertThrows(() => privcmd.mapFrames(99, [1n]), SyscallError);
  assertEquals(error.errno, "ESRCH");
  // Our own domain is none that is foreign to us.
  assertEquals(assertThrows(() => privcmd.mapFrames(0, [1n]), SyscallError).errno, "ESRCH");
  assertThrows(() => privcmd.mapFrames(1, []), RangeError);
});

Deno.test("a restricted privcmd serves its domain alone", () => {
  using privcmd = openPrivcmd(sys);
  privcmd.restrict(5);
  assertEquals(assertThrows(() => privcmd.mapFrames(6, [1n]), SyscallError).errno, "EPERM");
  using calls = openHypercalls(sys, privcmd);
  assertEquals(assertThrows(() => calls.version(), SyscallError).errno, "EPERM");
});
