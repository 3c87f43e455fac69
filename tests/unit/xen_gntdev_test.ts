/** gntdev against a kernel whose grants are of every kind, and one that fails. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import { openGntalloc } from "../../ffi/xen/gntalloc.ts";
import { openGntdev } from "../../ffi/xen/gntdev.ts";
import { SourceError } from "../../lib/errors.ts";
import { offerPages } from "../../lib/xen/offer.ts";
import { type FakeIoctl, fakeXen } from "../support/fake_xen.ts";

/** Status of a grant copy by reference: 0 below 100, -1 for others' grants, -3 for bad references. */
function statusOf(ref: number): number {
  return ref < 100 ? 0 : ref < 200 ? -1 : -3;
}

/** A gntdev: mmap says EINVAL when any announced reference is wrong, or read-only where written. */
function grants(readOnly: readonly number[] = [], copy = true) {
  let announced: number[] = [];
  const ioctl: FakeIoctl = (name, { argument, at }) => {
    if (name === "GNTDEV_MAP_GRANT_REF") {
      const count = argument.getUint32(0, true);
      announced = Array.from({ length: count }, (_, i) => argument.getUint32(20 + 8 * i, true));
      argument.setBigUint64(8, 0x5000n, true);
    } else if (name === "GNTDEV_GRANT_COPY") {
      if (!copy) return "ENOTTY";
      const segments = at(argument.getBigUint64(8, true));
      for (let i = 0; i < argument.getUint32(0, true); i++) {
        segments.setInt16(24 * i + 20, statusOf(segments.getUint32(24 * i, true)), true);
      }
    }
    return 0;
  };
  const mmap = (fd: number, protection: number) => {
    if (fd < 0) return null;
    const writable = (protection & 2) !== 0;
    const bad = announced.some((ref) => statusOf(ref) !== 0 || writable && readOnly.includes(ref));
    return bad ? "EINVAL" : null;
  };
  return fakeXen(ioctl, { mmap });
}

Deno.test("good references take one announcement and one mmap", () => {
  const fake = grants();
  using gntdev = openGntdev(fake.sys);
  using mapped = gntdev.mapGrants(1, [1, 2, 3]);
  assertEquals(fake.ioctls(), ["GNTDEV_MAP_GRANT_REF"]);
  assertEquals([mapped.failed, mapped.live(0, 3 * 4096)?.byteLength], [0, 3 * 4096]);
});

Deno.test("wrong ones are told apart by one grant copy, the rest is mapped together", () => {
  const fake = grants();
  using gntdev = openGntdev(fake.sys);
  {
    using mapped = gntdev.mapGrants(1, [1, 150, 2, 250]);
    assertEquals([0, 1, 2, 3].map((i) => mapped.faultOf(i)), [
      null,
      "not granted to this domain",
      null,
      "bad reference",
    ]);
    assertEquals(mapped.copy(2 * 4096, new Uint8Array(4)), { length: 4, errno: null });
    assertEquals(mapped.copy(4096, new Uint8Array(4)).errno, "EINVAL");
    assertEquals(mapped.live(0, 4096), null);
  }
  assertEquals(fake.mapped.size, 0);
  const announced = fake.ioctls().filter((name) => name === "GNTDEV_MAP_GRANT_REF").length;
  const forgotten = fake.ioctls().filter((name) => name === "GNTDEV_UNMAP_GRANT_REF").length;
  assertEquals(announced, forgotten);
});

Deno.test("a read-only grant that is to be written is found by halves", () => {
  const fake = grants([3]);
  using gntdev = openGntdev(fake.sys, true);
  {
    using mapped = gntdev.mapWritableGrants(1, [1, 2, 3, 4, 5, 6, 7, 8]);
    assertEquals(mapped.faultOf(2), "read-only grant");
    assertEquals(mapped.failed, 1);
    assertEquals(mapped.store(4096, new Uint8Array(4)).length, 4);
    assertEquals(mapped.store(2 * 4096, new Uint8Array(4)).length, 0);
  }
  assertEquals(fake.mapped.size, 0);
});

Deno.test("a kernel without grant copy says no more than refused", () => {
  const fake = grants([], false);
  using gntdev = openGntdev(fake.sys);
  using mapped = gntdev.mapGrants(1, [1, 250]);
  assertEquals([mapped.faultOf(0), mapped.faultOf(1)], [null, "refused"]);
  assertEquals(gntdev.probe(1, [1]), null);
});

Deno.test("lists longer than the kernel's limit come in parts", () => {
  const fake = grants();
  using gntdev = openGntdev(fake.sys);
  const refs = Array.from({ length: 70_000 }, (_, i) => i % 100);
  using mapped = gntdev.mapGrants(1, refs);
  assertEquals(fake.ioctls().length, 2);
  assertEquals([mapped.failed, mapped.live(0, 1)], [0, null]);
});

Deno.test("a page on its way back is waited for; no memory is an error that leaves nothing", () => {
  let tries = 0;
  const slow = fakeXen(() => 0, { mmap: (fd) => fd >= 0 && tries++ < 3 ? "EAGAIN" : null });
  using gntdev = openGntdev(slow.sys);
  {
    using mapped = gntdev.mapGrants(1, [1]);
    assertEquals(mapped.failed, 0);
  }
  const full = fakeXen(() => 0, { mmap: (fd) => fd >= 0 ? "ENOMEM" : null });
  using other = openGntdev(full.sys);
  const error = assertThrows(() => other.mapGrants(1, [1, 2]), SyscallError, "no free pages");
  assert(error.message.includes("2 grants of domain 1"));
  assertEquals(full.ioctls(), ["GNTDEV_MAP_GRANT_REF", "GNTDEV_UNMAP_GRANT_REF"]);
  assertEquals([full.mapped.size, slow.mapped.size], [0, 0]);
});

Deno.test("a mapping that is gone already when it is given back is no error", () => {
  const fake = fakeXen((name) => name === "GNTDEV_UNMAP_GRANT_REF" ? "ENOENT" : 0);
  using gntdev = openGntdev(fake.sys);
  gntdev.mapGrants(1, [1])[Symbol.dispose]();
  assertEquals(fake.mapped.size, 0);
});

Deno.test("offered pages: references from the kernel, and none left when mmap fails", () => {
  const alloc: FakeIoctl = (name, { argument }) => {
    if (name === "GNTALLOC_ALLOC_GREF") {
      argument.setBigUint64(8, 0x3000n, true);
      [40, 41].forEach((ref, i) => argument.setUint32(16 + 4 * i, ref, true));
    }
    return 0;
  };
  const fake = fakeXen(alloc);
  using gntalloc = openGntalloc(fake.sys);
  gntalloc.offer(5, 2, true)[Symbol.dispose]();
  assertEquals(fake.ioctls(), ["GNTALLOC_ALLOC_GREF", "GNTALLOC_DEALLOC_GREF"]);
  const bad = fakeXen(alloc, { mmap: () => "ENOMEM" });
  using other = openGntalloc(bad.sys);
  assertThrows(() => other.offer(5, 2, true), SyscallError);
  assertEquals(bad.ioctls(), ["GNTALLOC_ALLOC_GREF", "GNTALLOC_DEALLOC_GREF"]);
});

Deno.test("more pages than one list may name are not offered, and nothing is asked of the kernel", () => {
  const fake = fakeXen(() => 0);
  const options = { domain: 1, writable: false, text: "", sys: fake.sys };
  assertThrows(() => offerPages({ ...options, count: 2 ** 31 - 1 }), SourceError, "too many");
  assertEquals([fake.ioctls(), fake.open.size], [[], 0]);
});
