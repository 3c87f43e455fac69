/** Virtio's PCI capabilities, of real devices and of devices that lie. */
import { assert, assertEquals } from "@std/assert";
import { parseResources } from "../../lib/transport/pci_bars.ts";
import {
  CFG_TYPE,
  firstUsable,
  readCapabilities,
  sharedMemory,
} from "../../lib/transport/pci_capabilities.ts";
import { identify, identityOf } from "../../lib/transport/pci_ids.ts";
import { usableRegions } from "../../lib/transport/shared_region.ts";
import {
  FIRECRACKER_BALLOON,
  type PciFixture,
  QEMU_GPU_HOSTMEM,
  QEMU_RNG_TRANSITIONAL,
} from "../fixtures/pci_config.ts";

function read({ config, resource }: PciFixture) {
  return readCapabilities(config, parseResources(resource));
}

/** Capabilities as `name bar offset+length`. */
function shown(fixture: PciFixture): string[] {
  return read(fixture).capabilities.map(({ name, bar, offset, length, problem }) =>
    `${name} ${bar} ${offset.toString(16)}+${length.toString(16)}${problem ?? ""}`
  );
}

Deno.test("a modern device of Firecracker", () => {
  assertEquals(shown(FIRECRACKER_BALLOON), [
    "common 0 0+38",
    "isr 0 2000+1",
    "device 0 4000+1000",
    "notify 0 6000+1000",
    "pci 0 0+0",
  ]);
  const list = read(FIRECRACKER_BALLOON);
  assertEquals(firstUsable(list, CFG_TYPE.notify)?.multiplier, 4);
  assertEquals(list.notes, []);
  const what = identify(identityOf(FIRECRACKER_BALLOON.config), true);
  assertEquals(what, { kind: "modern", type: 5 });
});

Deno.test("virtio-gpu's shared memory region, by its 64-bit capability", () => {
  const list = read(QEMU_GPU_HOSTMEM);
  // QEMU puts each capability in front of those it added before.
  assertEquals(shown(QEMU_GPU_HOSTMEM), [
    "pci 0 0+0",
    "notify 2 3000+1000",
    "device 2 2000+1000",
    "isr 2 1000+1000",
    "common 2 0+1000",
    "shared-memory 4 0+10000000",
  ]);
  assertEquals(sharedMemory(list), {
    regions: [{ id: 1, length: 0x10000000n, place: { kind: "bar", bar: 4, offset: 0n } }],
    notes: [],
  });
  assertEquals(identify(identityOf(QEMU_GPU_HOSTMEM.config), true), { kind: "modern", type: 16 });
});

Deno.test("a transitional device has ports and capabilities, a legacy one only ports", () => {
  const identity = identityOf(QEMU_RNG_TRANSITIONAL.config);
  assertEquals(identify(identity, true), { kind: "transitional", type: 4 });
  assertEquals(identify(identity, false), { kind: "legacy", type: 4 });
  assertEquals(parseResources(QEMU_RNG_TRANSITIONAL.resource)[0], {
    index: 0,
    start: 0xc140n,
    length: 32n,
    io: true,
  });
});

Deno.test("ids: the ranges' ends, and who else has the vendor", () => {
  const kind = (device: number, subsystemDevice = 0, vendor = 0x1af4) =>
    identify({ vendor, device, revision: 0, subsystemVendor: 0, subsystemDevice }, true);
  assertEquals(kind(0x1040), { kind: "modern", type: 0 });
  assertEquals(kind(0x107f), { kind: "modern", type: 63 });
  assertEquals(kind(0x1080), null);
  assertEquals(kind(0x1009), { kind: "transitional", type: 9 });
  assertEquals(kind(0x1000, 25), { kind: "transitional", type: 25 });
  assertEquals(kind(0x103f, 7), { kind: "transitional", type: 7 });
  assertEquals(kind(0x1110), { kind: "ivshmem" });
  assertEquals(kind(0x4106, 0, 0x110a), { kind: "ivshmem-v2" });
  assertEquals(kind(0x1041, 0, 0x8086), null);
});

/** The gpu with some bytes changed. */
function changed(change: (config: Uint8Array) => void): PciFixture {
  const config = QEMU_GPU_HOSTMEM.config.slice();
  change(config);
  return { config, resource: QEMU_GPU_HOSTMEM.resource };
}

Deno.test("a list that loops, leaves its space or points into the header ends with a note", () => {
  const cases: [(config: Uint8Array) => void, number, string[]][] = [
    [(c) => c[0xb1] = 0xb0, 0, ["capability list loops back to 0xb0"]],
    [(c) => c[0x59] = 0x78, 5, ["capability list loops back to 0x78"]],
    [(c) => c[0xb1] = 0x20, 0, ["capability pointer 0x20 is inside the header"]],
    [(c) => c[0xb1] = 0xfc, 0, []],
  ];
  for (const [change, count, notes] of cases) {
    const list = read(changed(change));
    assertEquals([list.capabilities.length, list.notes], [count, notes]);
  }
  // All 48 words linked, each to the next and the last to the first.
  const ring = changed((config) => {
    for (let at = 0x40; at < 0x100; at += 4) {
      config.set([9, at + 4 > 0xff ? 0x40 : at + 4, 4, 6], at);
    }
    config[0x34] = 0x40;
  });
  const list = read(ring);
  assertEquals(list.capabilities.length, 48);
  assertEquals(list.notes, ["capability list loops back to 0x40"]);
});

Deno.test("without privileges 64 bytes are readable, and that is said", () => {
  const { config, resource } = QEMU_GPU_HOSTMEM;
  const list = readCapabilities(config.subarray(0, 64), parseResources(resource));
  assertEquals(list.capabilities, []);
  assert(list.notes[0].includes("without privileges"), list.notes[0]);
  assertEquals(readCapabilities(config.subarray(0, 10), []).notes.length, 1);
  assertEquals(read(changed((c) => c[6] = 0)).capabilities, []);
});

Deno.test("a capability that its BAR can not hold is not usable", () => {
  const problem = (change: (config: Uint8Array) => void, type: number) =>
    read(changed(change)).capabilities.find((one) => one.type === type)?.problem;
  const SHM = 0x40;
  // A BAR smaller than the capability claims: 256 MiB + 4 GiB.
  const claims = problem((c) => c[SHM + 20] = 1, CFG_TYPE.sharedMemory);
  assertEquals(claims, "0x0+0x110000000 is past the end of BAR 4 (0x10000000)");
  assertEquals(problem((c) => c[SHM + 4] = 3, CFG_TYPE.sharedMemory), "BAR 3 is not there");
  assertEquals(problem((c) => c[SHM + 4] = 6, CFG_TYPE.sharedMemory), "BAR 6 is reserved");
  assertEquals(problem((c) => c[SHM + 2] = 16, CFG_TYPE.sharedMemory), "cap_len 16 is too short");
  const unaligned = problem((c) => c.set([2, 0, 0, 0, 0, 1], 0x58 + 8), CFG_TYPE.common);
  assertEquals(unaligned, "offset 0x2 is not a multiple of 4");
  assertEquals(problem((c) => c[0x88 + 16] = 6, CFG_TYPE.notify)?.includes("power of 2"), true);
  const { regions, notes } = sharedMemory(read(changed((c) => c[SHM + 20] = 1)));
  assertEquals([regions.length, notes.length], [0, 1]);
  const unknown = read(changed((c) => c[SHM + 3] = 7)).capabilities.at(-1);
  assertEquals([unknown?.name, unknown?.problem], ["reserved(7)", "reserved type"]);
});

Deno.test("the first usable capability of a type wins, in the list's order", () => {
  // Device configuration becomes a common configuration, which comes first but has a bad BAR.
  const common = (bar: number) =>
    read(changed((config) => {
      config[0x78 + 3] = CFG_TYPE.common;
      config[0x78 + 4] = bar;
    }));
  assertEquals(firstUsable(common(2), CFG_TYPE.common)?.at, 0x78);
  const list = common(5);
  assertEquals(firstUsable(list, CFG_TYPE.common)?.at, 0x58);
  assertEquals(firstUsable(list, CFG_TYPE.vendor), null);
});

Deno.test("a capability that its space cuts off is not used", () => {
  const cut = changed((config) => {
    config[0x34] = 0xf0;
    config.set([9, 0, 24, 8, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0], 0xf0);
  });
  const { notes } = sharedMemory(read(cut));
  assertEquals(notes, ["shared memory region 1: it is cut off by the end of what can be read"]);
});

Deno.test("two regions with one id, empty ones and ones that wrap are notes", () => {
  // Where common and ISR were, a second region 1 of 4 KiB stands; device configuration links to it.
  const twice = changed((config) => {
    config[0x78 + 1] = 0x58;
    config.set(
      [9, 0x40, 24, 8, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      0x58,
    );
  });
  const { regions, notes } = sharedMemory(read(twice));
  assertEquals(regions.map(({ length }) => length), [0x1000n]);
  assertEquals(notes, ["shared memory region 1: its id is used twice"]);
  assertEquals(sharedMemory(read(changed((c) => c.fill(0, 0x4c, 0x58)))).notes, [
    "shared memory region 1: is empty",
  ]);
});

Deno.test("of regions that overlap the first is taken, and those that touch are both", () => {
  const inBar = (id: number, bar: number, offset: bigint, length = 0x1000n) =>
    ({ id, length, place: { kind: "bar", bar, offset } }) as const;
  const { regions, notes } = usableRegions([
    inBar(1, 4, 0x2000n),
    inBar(2, 4, 0x2fffn),
    inBar(3, 4, 0x1001n),
    inBar(4, 4, 0x3000n),
    inBar(5, 4, 0x1000n),
    inBar(6, 2, 0x2000n),
    inBar(7, 4, 0x0n, 0x10000n),
  ]);
  assertEquals(regions.map(({ id }) => id), [1, 4, 5, 6]);
  assertEquals(notes, [2, 3, 7].map((id) => `shared memory region ${id}: overlaps region 1`));
});

Deno.test("BARs: none, unassigned, and lines that are no lines", () => {
  assertEquals(parseResources(""), Array(6).fill(null));
  const unset = "0x0000000000000000 0x00000000000fffff 0x0000000020140204";
  assertEquals(parseResources(`${unset}\nrubbish\n0x2 0x1 0x200`)[0], null);
  assertEquals(parseResources("a\nb\n0x2 0x1 0x200"), Array(6).fill(null));
  assertEquals(parseResources("0x1000 0x1fff 0x200")[0]?.length, 4096n);
});
