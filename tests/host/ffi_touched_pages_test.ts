import { assert, assertEquals } from "@std/assert";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../ffi/constants.ts";
import { ProcessBacking } from "../../ffi/process_backing.ts";
import { sys } from "../support/host.ts";
import { residentOf } from "../support/resident.ts";

const PAGE = sys.pageSize;
const MIB = 1 << 20;

/** Every extent of a backing. */
function extents(backing: ProcessBacking): [number, number][] {
  const found: [number, number][] = [];
  for (let at = 0; at < backing.length;) {
    const data = backing.nextData(at);
    if (data === null) break;
    found.push([data.start, data.end]);
    at = data.end;
  }
  return found;
}

Deno.test("of anonymous memory only the pages that were written are data", () => {
  const length = 64 * MIB;
  const address = sys.mmap(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  try {
    const bytes = new Uint8Array(sys.view(address, length));
    bytes[40 * MIB + 5] = 7;
    bytes[41 * MIB] = 8;
    // A huge page may have come of it: what was written is data, and what is far away is none.
    using backing = new ProcessBacking({
      ...{ sys, pid: sys.pid, address, length, label: "ram", anonymous: true },
    });
    const before = residentOf(sys.pid).own;
    const found = extents(backing);
    for (const place of [40 * MIB, 41 * MIB]) {
      assert(found.some(([start, end]) => start <= place && place < end), `${place}: ${found}`);
    }
    assert(found.every(([start, end]) => start >= 38 * MIB && end <= 44 * MIB), String(found));
    assert(found.every(([start, end]) => (start - end) % PAGE === 0), String(found));
    const page = new Uint8Array(PAGE);
    for (const [start, end] of found) {
      for (let at = start; at < end; at += PAGE) assertEquals(backing.copy(at, page).errno, null);
    }
    assert(residentOf(sys.pid).own - before < 4096, "what was read was there");
    assertEquals(backing.nextData(44 * MIB), null);
    assertEquals(backing.nextData(40 * MIB + 7)?.start, 40 * MIB + 7);
  } finally {
    sys.munmap(address, length);
  }
});

Deno.test("what begins in the middle of a page, and what is not known to be anonymous", () => {
  const length = 4 * PAGE;
  const address = sys.mmap(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  try {
    new Uint8Array(sys.view(address, length))[PAGE] = 1;
    const common = { sys, pid: sys.pid, address: address + 100n, length: 2 * PAGE, label: "ram" };
    using part = new ProcessBacking({ ...common, anonymous: true });
    assertEquals(extents(part)[0][0], PAGE - 100);
    using all = new ProcessBacking(common);
    assertEquals(extents(all), [[0, 2 * PAGE]]);
  } finally {
    sys.munmap(address, length);
  }
});
