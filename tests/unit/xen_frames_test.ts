/** Where a Xen guest's memory is: runs, scans, the p2m table, memorys; over made-up hypervisors. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import { SourceError } from "../../lib/errors.ts";
import { limitRuns, runsOf, runsOfP2m } from "../../lib/xen/frame_runs.ts";
import { scanGfns } from "../../lib/xen/frame_scan.ts";
import type { XenHost } from "../../lib/xen/host.ts";
import { parseNumberList } from "../../lib/xen/number_list.ts";
import { readP2m, SHARED_INFO } from "../../lib/xen/p2m.ts";
import { openWindow } from "../../lib/xen/window.ts";

Deno.test("runs of neighbours", () => {
  //                         0123456789
  const has = (i: number) => "mmm..mm.m."[i] === "m";
  assertEquals(runsOf(10, has), [
    { first: 0, count: 3 },
    { first: 5, count: 2 },
    { first: 8, count: 1 },
  ]);
  assertEquals(runsOf(0, has), []);
});

Deno.test("too many runs: the smallest gaps are closed", () => {
  const runs = [{ first: 0, count: 1 }, { first: 2, count: 1 }, { first: 10, count: 1 }];
  assertEquals(limitRuns(runs, 2), [{ first: 0, count: 3 }, { first: 10, count: 1 }]);
  assertEquals(limitRuns(runs, 3), runs);
  assertEquals(limitRuns(runs, 1), [{ first: 0, count: 11 }]);
});

Deno.test("p2m entries that are no frames of the guest are holes", () => {
  const mfns = BigUint64Array.of(5n, 2n ** 64n - 1n, (1n << 63n) | 7n, (1n << 62n) | 8n, 9n);
  assertEquals(runsOfP2m(mfns), [{ first: 0, count: 1 }, { first: 4, count: 1 }]);
});

/** A hypervisor that knows which frames of which domain map, and what stands in them. */
function host(pages: Map<bigint, BigUint64Array>, has: (frame: bigint) => boolean): XenHost {
  const privcmd = {
    probeFrames: (_: number, frames: BigUint64Array) =>
      Int32Array.from(frames, (frame) => has(frame) ? 0 : 22),
    mapFrames: (_: number, frames: readonly bigint[]) => ({
      copy(offset: number, target: Uint8Array) {
        const page = pages.get(frames[offset / 4096]);
        if (page === undefined) return { length: 0, errno: "EINVAL" };
        target.set(new Uint8Array(page.buffer, 0, target.length));
        return { length: target.length, errno: null };
      },
      [Symbol.dispose]() {},
    }),
  };
  return { privcmd } as unknown as XenHost;
}

Deno.test("a scan finds RAM by samples, and what stands apart from the top on", () => {
  // RAM in frames 0 to 2047, a hole, three frames right below the limit
  const limit = 1 << 20;
  const has = (frame: bigint) => frame < 2048n || frame >= limit - 3;
  const asked: number[] = [];
  const options = { domain: 1, limit, wanted: 2051, aborted: () => (asked.push(1), false) };
  const scan = scanGfns(host(new Map(), has), options);
  assertEquals(scan.runs, [{ first: 0, count: 2048 }, { first: limit - 3, count: 3 }]);
  assertEquals(scan.found, 2051);
  assert(scan.scanned < 20_000, `${scan.scanned}`);
});

Deno.test("a scan that misses pages looks everywhere; one that is aborted stops", () => {
  const limit = 4096 * 8;
  const has = (frame: bigint) => frame === 1000n;
  const scan = scanGfns(host(new Map(), has), {
    ...{ domain: 1, limit, wanted: 2, aborted: () => false },
  });
  assertEquals(scan.runs, [{ first: 1000, count: 1 }]);
  assert(scan.scanned >= limit && scan.scanned <= limit * 1.01);
  const stopped = scanGfns(host(new Map(), has), {
    ...{ domain: 1, limit, wanted: 2, aborted: () => true },
  });
  assert(stopped.scanned <= limit / 128);
});

const OWNER = { domain: 1, sharedInfoFrame: 0x100n, maxPages: 1024 };

/** A PV guest of 1024 frames whose table stands at an address that crosses two L1 tables. */
function guest(change: (info: BigUint64Array) => void = () => {}) {
  const page = () => new BigUint64Array(512);
  const [info, l4, l3, l2, l1a, l1b, leafA, leafB, list, lists] = Array.from({ length: 10 }, page);
  const address = (3n << 39n) | (1n << 30n) | (5n << 21n) | (511n << 12n);
  const set = (field: number, value: bigint) => info[field / 8] = value;
  set(SHARED_INFO.max_pfn, 1024n);
  set(SHARED_INFO.p2m_cr3, 0x101n << 12n);
  set(SHARED_INFO.p2m_vaddr, address | 0xffff_0000_0000_0000n);
  l4[3] = (0x102n << 12n) | 0x67n;
  l3[1] = (0x103n << 12n) | 0x67n;
  l2[5] = (0x104n << 12n) | 0x67n;
  l2[6] = (0x105n << 12n) | 0x67n;
  l1a[511] = (0x106n << 12n) | 1n;
  l1b[0] = (0x107n << 12n) | 1n;
  list.set([0x106n, 0x107n]);
  lists[0] = 0x108n;
  leafA.fill(0x5000n);
  leafB.fill(0x6000n);
  leafB[511] = 2n ** 64n - 1n;
  change(info);
  const pages = [info, l4, l3, l2, l1a, l1b, leafA, leafB, list, lists];
  return host(
    new Map(pages.map((content, i) => [BigInt(0x100 + i), content])),
    () => true,
  );
}

Deno.test("the p2m table is walked through the guest's page tables", () => {
  const { mfns, notes } = readP2m(guest(), OWNER);
  assertEquals([mfns.length, mfns[0], mfns[511], mfns[512], mfns[1023]], [
    ...[1024, 0x5000n, 0x5000n, 0x6000n, 2n ** 64n - 1n],
  ]);
  assertEquals(notes, []);
});

Deno.test("old guests give lists of frames instead", () => {
  const { mfns } = readP2m(
    guest((info) => {
      info[SHARED_INFO.p2m_cr3 / 8] = 0n;
      info[SHARED_INFO.pfn_to_mfn_frame_list_list / 8] = 0x109n;
    }),
    OWNER,
  );
  assertEquals([mfns.length, mfns[0], mfns[512]], [1024, 0x5000n, 0x6000n]);
});

Deno.test("a table that is not set up, that leads nowhere, that claims too much", () => {
  const error = assertThrows(
    () => readP2m(guest((info) => info.fill(0n)), OWNER),
    SourceError,
    "its kernel has not set it up",
  );
  assertEquals(error.kind, "unsupported");
  assertThrows(
    () => readP2m(guest(), { ...OWNER, sharedInfoFrame: 0x999n }),
    SourceError,
    "shared_info",
  );
  const nowhere = readP2m(guest((info) => info[SHARED_INFO.p2m_cr3 / 8] = 0x999_000n), OWNER);
  assertEquals(runsOfP2m(nowhere.mfns), []);
  const boast = readP2m(guest((info) => info[SHARED_INFO.max_pfn / 8] = 1n << 40n), OWNER);
  assertEquals([boast.mfns.length, boast.notes[0].includes("claims")], [1 << 20, true]);
});

Deno.test("a window maps pieces when they are read, and lets the oldest go", () => {
  const events: string[] = [];
  using memory = openWindow({
    ...{ length: 4 * 4096, label: "memory", pieceSize: 4096, pieceLimit: 2 },
    map(index) {
      if (index === 3) throw new SyscallError("ioctl", "ESRCH", "gone");
      events.push(`map ${index}`);
      return {
        copy: (_, target) => (target.fill(index + 1), { length: target.length, errno: null }),
        [Symbol.dispose]: () => void events.push(`unmap ${index}`),
      };
    },
  });
  const bytes = new Uint8Array(8192);
  assertEquals(memory.copy(2048, bytes), { length: 8192, errno: null });
  assertEquals([bytes[0], bytes[2048], bytes[8191]], [1, 2, 3]);
  assertEquals(events, ["map 0", "map 1", "unmap 0", "map 2"]);
  assertEquals(memory.copy(3 * 4096 - 1, new Uint8Array(2)), { length: 1, errno: "ESRCH" });
  assertEquals(memory.copy(4 * 4096, new Uint8Array(1)), { length: 0, errno: "EFAULT" });
  assertEquals(memory.store(0, new Uint8Array(1)).errno, "EACCES");
  memory[Symbol.dispose]();
  assertEquals(events.filter((event) => event.startsWith("map")).length, 4);
  assertEquals(events.filter((event) => event.startsWith("unmap")).length, 4);
  assertEquals(memory.copy(0, new Uint8Array(1)).errno, "EBADF");
});

Deno.test("lists as operators write them", () => {
  assertEquals(parseNumberList("8,9,10-12,0x10", 100), [8, 9, 10, 11, 12, 16]);
  for (const bad of ["", "a", "8,", "9-8", "101", "1--2", "0-1048576"]) {
    assertThrows(() => parseNumberList(bad, bad.length > 4 ? 2 ** 32 : 100), SyntaxError);
  }
});
