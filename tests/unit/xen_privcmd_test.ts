/** privcmd against a kernel that fails as a healthy one does not. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { errnoCode, SyscallError } from "../../ffi/errno.ts";
import { openHypercalls } from "../../ffi/xen/hypercall.ts";
import { openPrivcmd } from "../../ffi/xen/privcmd.ts";
import { SourceError } from "../../lib/errors.ts";
import { openXenHost } from "../../lib/xen/host.ts";
import { mapFrames } from "../../lib/xen/listed_frames.ts";
import { fakeXen, type FakeXenMemory } from "../support/fake_xen.ts";

/** The frames and errors of a MMAPBATCH_V2. */
function batch({ argument, at }: FakeXenMemory) {
  const count = argument.getUint32(0, true);
  const [frames, errors] = [16, 24].map((offset) => at(argument.getBigUint64(offset, true)));
  return {
    count,
    frame: (i: number) => frames.getBigUint64(8 * i, true),
    fail: (i: number, errno: string | null) =>
      errors.setInt32(4 * i, errno === null ? 0 : -errnoCode(errno), true),
  };
}

Deno.test("the ioctl succeeds and every second frame fails: those are never touched", () => {
  const fake = fakeXen((_, memory) => {
    const { count, fail } = batch(memory);
    for (let i = 1; i < count; i += 2) fail(i, "EINVAL");
    return 0;
  });
  using privcmd = openPrivcmd(fake.sys);
  using frames = privcmd.mapFrames(3, [5n, 6n, 7n]);
  assertEquals([0, 1, 2].map((i) => frames.errnoOf(i)), [null, "EINVAL", null]);
  assertEquals(frames.copy(4000, new Uint8Array(200)), { length: 96, errno: "EINVAL" });
  assertEquals(frames.copy(4096, new Uint8Array(8)), { length: 0, errno: "EINVAL" });
  assertEquals(frames.copy(8192, new Uint8Array(8)), { length: 8, errno: null });
  assertEquals(frames.copy(3 * 4096, new Uint8Array(8)), { length: 0, errno: "EFAULT" });
  assertEquals([frames.live(0, 4096) === null, frames.live(0, 4097)], [false, null]);
});

Deno.test("a paged-out frame is asked for again, alone, until it is there", () => {
  const asked: number[] = [];
  const fake = fakeXen((_, memory, nth) => {
    const { count, fail } = batch(memory);
    asked.push(count);
    for (let i = 0; i < count; i++) fail(i, null);
    if (nth === 1) [2, 3].forEach((i) => fail(i, "ENOENT"));
    if (nth === 2) fail(1, "ENOENT");
    return nth < 3 ? "ENOENT" : 0;
  });
  using privcmd = openPrivcmd(fake.sys);
  using frames = privcmd.mapFrames(3, [1n, 2n, 3n, 4n]);
  assertEquals(asked, [4, 2, 1]);
  assertEquals(frames.failed, 0);
});

Deno.test("a call that a signal interrupts is made again, within a bound", () => {
  const fake = fakeXen((_, __, nth) => nth < 3 ? "EINTR" : 0);
  using privcmd = openPrivcmd(fake.sys);
  using _frames = privcmd.mapFrames(3, [1n]);
  assertEquals(fake.ioctls().length, 3);
  const stuck = fakeXen(() => "EAGAIN");
  using other = openPrivcmd(stuck.sys);
  assertEquals(assertThrows(() => other.mapFrames(3, [1n]), SyscallError).errno, "EAGAIN");
  assert(stuck.ioctls().length <= 101);
});

Deno.test("no memory, no domain: named with object and remedy, and nothing stays mapped", () => {
  for (const [errno, remedy] of [["ENOMEM", "dom0 has no free pages"], ["EPERM", "needs dom0"]]) {
    const fake = fakeXen(() => errno);
    {
      using privcmd = openPrivcmd(fake.sys);
      const error = assertThrows(() => privcmd.mapFrames(9, [1n, 2n]), SyscallError, remedy);
      assert(error.message.includes("domain 9, 2 frames"), error.message);
    }
    assertEquals([fake.mapped.size, fake.open.size], [0, 0]);
  }
  const gone = fakeXen((_, memory) => {
    const { count, fail } = batch(memory);
    for (let i = 0; i < count; i++) fail(i, "ESRCH");
    return 0;
  });
  {
    using privcmd = openPrivcmd(gone.sys);
    assertThrows(() => privcmd.mapFrames(9, [1n]), SyscallError, "no such domain");
  }
  assertEquals(gone.mapped.size, 0);
});

Deno.test("mmap fails: the error is its own, and nothing is asked of the driver", () => {
  const fake = fakeXen(() => 0, { mmap: () => "ENOMEM" });
  using privcmd = openPrivcmd(fake.sys);
  assertEquals(assertThrows(() => privcmd.mapFrames(3, [1n]), SyscallError).call, "mmap");
  assertEquals(fake.ioctls(), []);
});

Deno.test("disposing unmaps once, closes, and later uses touch nothing", () => {
  const fake = fakeXen(() => 0);
  const privcmd = openPrivcmd(fake.sys);
  const frames = privcmd.mapFrames(3, [1n, 2n]);
  const live = new Uint8Array(frames.live(0, 8192)!);
  frames[Symbol.dispose]();
  frames[Symbol.dispose]();
  privcmd[Symbol.dispose]();
  assertEquals([live.length, fake.mapped.size, fake.open.size], [0, 0, 0]);
  assertEquals(frames.copy(0, new Uint8Array(4)), { length: 0, errno: "EBADF" });
});

Deno.test("a resource is asked its size without a mapping, and mapped with one", () => {
  const fake = fakeXen((_, { argument }) => {
    if (argument.getBigUint64(24, true) === 0n) argument.setBigUint64(16, 64n, true);
    return 0;
  });
  using privcmd = openPrivcmd(fake.sys);
  assertEquals(privcmd.resourceSize({ domain: 1, type: 1, id: 0 }), 64);
  assertEquals(fake.mapped.size, 0);
  {
    using frames = privcmd.mapResource({ domain: 1, type: 1, id: 0 }, 0, 2);
    assertEquals(frames.length, 8192);
  }
  assertEquals(fake.mapped.size, 0);
});

Deno.test("the domctl version is probed once, newest first; an unknown one says so", () => {
  const tried: number[] = [];
  const taken = (version: number) =>
    fakeXen((_, { argument, at }) => {
      const call = at(argument.getBigUint64(8, true));
      tried.push(call.getUint32(4, true));
      if (call.getUint32(4, true) !== version) return "EACCES";
      call.setUint16(16, call.getUint16(8, true), true);
      call.setUint32(20, 0x22, true);
      return 0;
    });
  const fake = taken(0x15);
  using privcmd = openPrivcmd(fake.sys);
  using calls = openHypercalls(fake.sys, privcmd);
  assertEquals(calls.domainInfo(7)?.flags, 0x22);
  calls.domainInfo(8);
  assertEquals(tried, [0x18, 0x17, 0x16, 0x15, 0x15]);
  const strange = taken(0x99);
  using other = openPrivcmd(strange.sys);
  using unknown = openHypercalls(strange.sys, other);
  const error = assertThrows(() => unknown.domainInfo(7), SyscallError);
  assertEquals(tried.slice(5), [
    0x18,
    0x17,
    0x16,
    0x15,
    0x14,
    0x13,
    0x12,
    0x11,
    0x10,
    0xe,
    0xd,
    0xc,
  ]);
  // The call, the object, the errno, the remedy.
  assertEquals(
    error.message,
    "ioctl IOCTL_PRIVCMD_HYPERCALL (getdomaininfo of domain 7): EACCES (permission denied); " +
      "this Xen takes none of the domctl interface versions of 4.8 to 4.22; grants, rings, --frames " +
      "of an HVM or PVH guest and --machine work without it",
  );
});

for (const [kind, parameter] of [["translates", 0], ["does not translate", "EINVAL"]] as const) {
  Deno.test(`an unknown domctl version: frames of a guest whose frames Xen ${kind}`, () => {
    const HVM_OP = 34n;
    const fake = fakeXen((name, { argument }) => {
      if (name !== "PRIVCMD_HYPERCALL") return 0;
      return argument.getBigUint64(0, true) === HVM_OP ? parameter : "EACCES";
    });
    using host = openXenHost(fake.sys, false);
    if (parameter === 0) {
      using listed = mapFrames(host, 7, [4, 5], false).frames;
      assertEquals([listed.count, listed.failed], [2, 0]);
    } else {
      const error = assertThrows(() => mapFrames(host, 7, [4], false), SourceError);
      // It is no matter of rights.
      assertEquals(error.kind, "unsupported");
      assert(error.remedy.includes("--machine work without it"), error.remedy);
    }
  });
}

Deno.test("a domain that is not there: old Xen gives the next one, new Xen an error", () => {
  const next = fakeXen((_, { argument, at }) => {
    at(argument.getBigUint64(8, true)).setUint16(16, 9, true);
    return 0;
  });
  using privcmd = openPrivcmd(next.sys);
  using calls = openHypercalls(next.sys, privcmd);
  assertEquals(calls.domainInfo(7), null);
  assertEquals(calls.domainInfo(9)?.domain, 9);
  const error = fakeXen(() => "ESRCH");
  using other = openPrivcmd(error.sys);
  using refused = openHypercalls(error.sys, other);
  assertEquals(refused.domainInfo(7), null);
});

for (const [version, exact] of [[0x16, false], [0x17, true]] as const) {
  Deno.test(`domains are listed by interface version 0x${version.toString(16)}`, () => {
    const there = [0, 3, 9];
    let calls = 0;
    const fake = fakeXen((_, { argument, at }) => {
      const call = at(argument.getBigUint64(8, true));
      if (call.getUint32(4, true) !== version) return "EACCES";
      calls++;
      const asked = call.getUint16(8, true);
      const found = there.find((id) => exact ? id === asked : id >= asked);
      if (found === undefined) return "ESRCH";
      call.setUint16(16, found, true);
      return 0;
    });
    using privcmd = openPrivcmd(fake.sys);
    using hypercalls = openHypercalls(fake.sys, privcmd);
    assertEquals(hypercalls.domains(20).map(({ domain }) => domain), there);
    // One to probe, then one a domain and the end; or one an id.
    assertEquals(calls, exact ? 21 : 5);
  });
}

Deno.test("no Xen: the remedy, and no fd stays open", () => {
  const fake = fakeXen(() => 0, { absent: true });
  const error = assertThrows(() => openPrivcmd(fake.sys), SyscallError, "no Xen here");
  assertEquals([error.errno, error.subject, fake.open.size], ["ENOENT", "/dev/xen/privcmd", 0]);
});
