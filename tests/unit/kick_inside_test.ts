/** Kicks from inside a guest on devices of our own making: what is written, where, and what refuses. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../../lib/errors.ts";
import { chooseKick } from "../../lib/kick/choose.ts";
import { doorbellKick } from "../../lib/kick/ivshmem_register.ts";
import { portKick } from "../../lib/kick/port_io.ts";
import { virtioMmioKick } from "../../lib/kick/virtio_mmio.ts";
import { virtioPciKick } from "../../lib/kick/virtio_pci.ts";
import { COMMON } from "../../lib/transport/common_config.ts";
import type { MmioTransport, PciDevice } from "../../lib/transport/enumerate.ts";
import { MMIO, MMIO_MAGIC } from "../../lib/transport/mmio_registers.ts";
import { parseResources } from "../../lib/transport/pci_bars.ts";
import { readCapabilities } from "../../lib/transport/pci_capabilities.ts";
import { identityOf, type PciKind } from "../../lib/transport/pci_ids.ts";
import { type Failure, fakeSys } from "../support/fake_sys.ts";
import {
  type PciFixture,
  QEMU_GPU_HOSTMEM,
  QEMU_RNG_TRANSITIONAL,
} from "../fixtures/pci_config.ts";

const VERSION_1 = 1n << 32n;

function device(fixture: PciFixture, what: PciKind, features: bigint): PciDevice {
  const bars = parseResources(fixture.resource);
  return {
    bus: "pci",
    address: "0000:00:07.0",
    what,
    identity: identityOf(fixture.config),
    bars,
    capabilities: readCapabilities(fixture.config, bars),
    node: {
      name: "virtio0",
      type: 16,
      vendor: 0x1af4,
      status: 15,
      features,
      driver: "virtio_x",
      parent: "0000:00:07.0",
    },
    driver: "virtio-pci",
  };
}

/**
 * Pages of a device by file offset. A mapping's buffer is detached when it ends, so what was written
 * is copied back then; `mapped` counts those that are left.
 */
function machine(
  pages: Map<number, Uint8Array>,
  fail: readonly Failure[] = [],
  kcore: Uint8Array = new Uint8Array(0),
) {
  const held = new Map<bigint, number>();
  const offsets = new Map<bigint, number>();
  let next = 0x1000n;
  const script: Partial<Sys> = {
    pageSize: 4096,
    open: () => 7,
    close: () => {},
    pwrite: (_, bytes) => bytes.length,
    pread(_, target, offset) {
      const part = kcore.subarray(offset, offset + target.length);
      target.set(part);
      return part.length;
    },
    mmap(length, _protection, _flags, _fd, offset) {
      held.set(next, length);
      offsets.set(next, offset);
      return next++;
    },
    munmap: (address) => void held.delete(address),
    view(address, length) {
      const offset = offsets.get(address) ?? 0;
      const buffer = new ArrayBuffer(length);
      new Uint8Array(buffer).set(pages.get(offset)?.subarray(0, length) ?? []);
      const save = () => pages.set(offset, new Uint8Array(buffer).slice());
      buffer.transfer = (size) => {
        save();
        return ArrayBuffer.prototype.transfer.call(buffer, size);
      };
      return buffer;
    },
  };
  const fake = fakeSys({ script, fail });
  return { ...fake, mapped: () => held.size };
}

/** The gpu's common configuration page: queues of 64 entries, notify offset 5, queue 0 selected. */
function gpuPages(size = 64): Map<number, Uint8Array> {
  const common = new Uint8Array(4096);
  const view = new DataView(common.buffer);
  view.setUint16(COMMON.queueSize, size, true);
  view.setUint16(COMMON.queueNotifyOff, 5, true);
  return new Map([[0, common]]);
}

const MODERN: PciKind = { kind: "modern", type: 16 };

Deno.test("the notify address is written once, and everything is unmapped", async () => {
  const pages = gpuPages();
  const { sys, mapped, log } = machine(pages);
  const kick = virtioPciKick(sys, device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1), 1, "kick");
  assertEquals(kick.possible, true);
  const { evidence } = await kick.send();
  // BAR 2, notify area at 0x3000, multiplier 4, offset 5.
  assertEquals(evidence, ["wrote 16-bit 0x1 to BAR 2 + 0x3014 (0xf010b014)"]);
  const written = new DataView((pages.get(0x3000) as Uint8Array).buffer);
  assertEquals([written.getUint16(0x14, true), written.getUint16(0x16, true)], [1, 0]);
  const common = new DataView((pages.get(0) as Uint8Array).buffer);
  assertEquals(common.getUint16(COMMON.queueSelect, true), 0, "the driver's selection is put back");
  assertEquals(mapped(), 0);
  const opened = log.filter(({ call }) => call === "open").map(({ args }) => args[0]);
  assertEquals(new Set(opened), new Set(["/sys/bus/pci/devices/0000:00:07.0/resource2"]));
});

Deno.test("where nothing is possible inside a guest, the host is named", () => {
  const { sys } = machine(new Map());
  const stopped = { ...device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1), node: null };
  const ways = [virtioPciKick(sys, stopped, 0, "kick"), portKick(sys, stopped, 0, "kick")];
  const error = assertThrows(() => chooseKick(ways, null), SourceError);
  assertStringIncludes(error.message, "notify: no driver runs the device");
  assertEquals(error.remedy, "notify it from the host: guestmem kick qemu:PID/DEVICE:QUEUE");
});

Deno.test("a common configuration too short to have a queue's registers is a reason, no crash", async () => {
  const gpu = device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1);
  const all = gpu.capabilities.capabilities.map((one) =>
    one.name === "common" ? { ...one, length: 16n } : one
  );
  const short = { ...gpu, capabilities: { ...gpu.capabilities, capabilities: all } };
  const { sys, mapped } = machine(gpuPages());
  const kick = virtioPciKick(sys, short, 1, "kick");
  const why = "the common configuration has only 16 bytes";
  assertEquals(kick.possible, why);
  assert((await assertRejects(() => kick.send(), SourceError)).message.includes(why));
  assertEquals(mapped(), 0);
});

Deno.test("a queue that is not there, or beyond the area, is refused with nothing written", async () => {
  for (
    const [size, notifyOff, text] of [[0, 5, "has no queue 1"], [
      64,
      0x400,
      "past the end",
    ]] as const
  ) {
    const pages = gpuPages(size);
    new DataView((pages.get(0) as Uint8Array).buffer).setUint16(30, notifyOff, true);
    const { sys, mapped } = machine(pages);
    const kick = virtioPciKick(sys, device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1), 1, "kick");
    const error = await assertRejects(() => kick.send(), SourceError);
    assert((error as Error).message.includes(text), (error as Error).message);
    assertEquals([pages.has(0x3000), mapped()], [false, 0]);
  }
});

Deno.test("registers that the kernel keeps to itself give the remedy", () => {
  for (const errno of ["EINVAL", "EPERM"]) {
    const { sys, names } = machine(gpuPages(), [{ call: "mmap", errno }]);
    const kick = virtioPciKick(sys, device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1), 0, "kick");
    assert(String(kick.possible).includes("a driver has claimed"), String(kick.possible));
    assert(kick.remedy?.includes("iomem=relaxed"), kick.remedy);
    assertEquals(names(), ["open", "mmap", "close"]);
  }
});

Deno.test("why a notify address is not to be used, told without touching the device", () => {
  const cases: [PciDevice, string][] = [
    [device(QEMU_GPU_HOSTMEM, MODERN, 0n), "as a legacy device"],
    [device(QEMU_GPU_HOSTMEM, { kind: "legacy", type: 1 }, 0n), "legacy: no notify area"],
    [{ ...device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1), node: null }, "no driver runs the device"],
    [{
      ...device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1),
      capabilities: readCapabilities(new Uint8Array(64), []),
    }, "no usable"],
  ];
  for (const [target, text] of cases) {
    const { sys, log } = machine(new Map());
    const { possible } = virtioPciKick(sys, target, 0, "kick");
    assert(String(possible).includes(text), String(possible));
    assertEquals(log, []);
  }
  const { sys } = machine(new Map());
  const call = virtioPciKick(sys, device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1), 0, "call");
  assertEquals(typeof call.possible, "string");
});

/** A kernel with 64 KiB of RAM at 1 MiB, as /proc/kcore shows it: one hole of a header, one stretch. */
function kernel(put: (ram: DataView) => void): Uint8Array {
  const file = new Uint8Array(0x1000 + 0x10000);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46]);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  // Virtual stretches have no physical address, which is said by all ones.
  view.setUint32(64, 1, true);
  view.setBigUint64(64 + 24, (1n << 64n) - 1n, true);
  view.setUint32(120, 1, true);
  for (const [at, value] of [[8, 0x1000n], [24, 0x10_0000n], [40, 0x10000n]] as const) {
    view.setBigUint64(120 + at, value, true);
  }
  put(new DataView(file.buffer, 0x1000));
  return file;
}

/** The gpu's pages with a queue at 1 MiB: descriptors, and the driver area 4 KiB behind. */
function queuePages(descriptor = 0x10_0000): Map<number, Uint8Array> {
  const pages = gpuPages();
  const view = new DataView((pages.get(0) as Uint8Array).buffer);
  view.setUint32(COMMON.queueDesc, descriptor, true);
  view.setUint32(COMMON.queueDriver, descriptor + 0x1000, true);
  return pages;
}

const NOTIFICATION_DATA = 1n << 38n;
const PACKED = 1n << 34n;

Deno.test("NOTIFICATION_DATA: the driver's position is read from its ring", async () => {
  const split = kernel((ram) => ram.setUint16(0x1002, 0x8005, true));
  // Two slots of the first lap are available.
  const packed = kernel((ram) =>
    [0, 1].forEach((slot) => ram.setUint16(16 * slot + 14, 0x80, true))
  );
  for (
    const [kcore, more, value] of [[split, 0n, 0x80050001], [packed, PACKED, 0x80020001]] as const
  ) {
    const pages = queuePages();
    const { sys, mapped } = machine(pages, [], kcore);
    const features = VERSION_1 | NOTIFICATION_DATA | more;
    const kick = virtioPciKick(sys, device(QEMU_GPU_HOSTMEM, MODERN, features), 1, "kick");
    assertEquals(kick.possible, true);
    const { evidence } = await kick.send();
    assertEquals(evidence, [`wrote 32-bit 0x${value.toString(16)} to BAR 2 + 0x3014 (0xf010b014)`]);
    const written = new DataView((pages.get(0x3000) as Uint8Array).buffer);
    assertEquals([written.getUint32(0x14, true), mapped()], [value, 0]);
  }
});

Deno.test("NOTIFICATION_DATA: where the position can not be had, nothing is written", async () => {
  const ram = kernel(() => {});
  const platform = 1n << 33n;
  const cases: [Uint8Array, bigint, number, string][] = [
    [ram, platform, 0x10_0000, "its addresses are the platform's"],
    [ram, 0n, 0, "no addresses"],
    [ram, 0n, 0x20_0000, "no memory at 0x201002"],
    [ram, PACKED, 0x10_fff0, "no memory at 0x10fff0"],
    [new Uint8Array(0), 0n, 0x10_0000, "no ELF file"],
  ];
  for (const [kcore, more, descriptor, text] of cases) {
    const pages = queuePages(descriptor);
    if (descriptor === 0) pages.get(0)?.fill(0, COMMON.queueDesc, COMMON.queueDevice);
    const { sys, mapped } = machine(pages, [], kcore);
    const features = VERSION_1 | NOTIFICATION_DATA | more;
    const kick = virtioPciKick(sys, device(QEMU_GPU_HOSTMEM, MODERN, features), 1, "kick");
    assert(String(kick.possible).includes(text), String(kick.possible));
    await assertRejects(() => kick.send(), SourceError, "position is not known");
    assertEquals([pages.has(0x3000), mapped()], [false, 0]);
  }
});

Deno.test("ports: a 16-bit write of the queue's index at offset 16", async () => {
  const { sys, log } = machine(new Map());
  const legacy = device(QEMU_RNG_TRANSITIONAL, { kind: "transitional", type: 4 }, 0n);
  const kick = portKick(sys, legacy, 3, "kick");
  assertEquals([kick.possible, kick.describe()], [true, "port 0xc150 of 0000:00:07.0: write 3"]);
  await kick.send();
  const [write] = log.filter(({ call }) => call === "pwrite");
  assertEquals(write.args, [7, new Uint8Array([3, 0]), 16]);
  assertEquals(log.at(-1)?.call, "close");
  const modern = portKick(sys, device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1), 0, "kick");
  assertEquals(modern.possible, "modern device: no ports");
  const denied = machine(new Map(), [{ call: "open", errno: "EACCES" }]);
  const error = await assertRejects(
    () => portKick(denied.sys, legacy, 0, "kick").send(),
    SourceError,
  ) as SourceError;
  assertEquals([error.kind, error.remedy], ["permission", "run as root"]);
});

const MMIO_DEVICE: MmioTransport = {
  bus: "mmio",
  address: "feb00e00",
  registers: { start: 0xfeb00e00n, length: 0x200n },
  node: { ...device(QEMU_GPU_HOSTMEM, MODERN, VERSION_1).node, parent: "LNRO0005:00" } as never,
};

Deno.test("MMIO: QueueNotify of the transport at its place in the page, and only of a transport", async () => {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  view.setUint32(0xe00 + MMIO.magic, MMIO_MAGIC, true);
  view.setUint32(0xe00 + MMIO.version, 2, true);
  view.setUint32(0xe00 + MMIO.queueNotify, 0xffff_ffff, true);
  const pages = new Map([[0xfeb00000, page]]);
  const { sys, mapped } = machine(pages);
  const kick = virtioMmioKick(sys, MMIO_DEVICE, 2, "kick");
  assertEquals(kick.possible, true);
  await kick.send();
  const after = new DataView((pages.get(0xfeb00000) as Uint8Array).buffer);
  assertEquals([after.getUint32(0xe00 + MMIO.queueNotify, true), mapped()], [2, 0]);

  const empty = machine(new Map());
  const wrong = virtioMmioKick(empty.sys, MMIO_DEVICE, 2, "kick");
  assert(String(wrong.possible).includes("no virtio"), String(wrong.possible));
  await assertRejects(() => wrong.send(), SourceError);
  assertEquals(empty.mapped(), 0);
  const hidden = virtioMmioKick(empty.sys, { ...MMIO_DEVICE, registers: null }, 0, "kick");
  assertEquals([hidden.possible, hidden.remedy], [
    "the registers' address is hidden",
    "run as root",
  ]);
});

Deno.test("the ivshmem doorbell: peer and vector in one register, none without MSI-X", async () => {
  const lines = [
    "0x00000000febfd000 0x00000000febfd0ff 0x0000000000040200",
    "0x00000000febfe000 0x00000000febfefff 0x0000000000040200",
    "0x00000000fea00000 0x00000000feafffff 0x000000000014220c",
  ];
  const fixture = { ...QEMU_GPU_HOSTMEM, resource: lines.join("\n") };
  const doorbell = device(fixture, { kind: "ivshmem" }, 0n);
  const pages = new Map<number, Uint8Array>();
  const { sys, mapped } = machine(pages);
  await doorbellKick(sys, doorbell, 5, 1, "kick").send();
  const registers = new DataView((pages.get(0) as Uint8Array).buffer);
  assertEquals([registers.getUint32(12, true), mapped()], [0x50001, 0]);
  const plain = { ...doorbell, bars: doorbell.bars.with(1, null) };
  assertEquals(doorbellKick(sys, plain, 5, 1, "kick").possible, "ivshmem-plain has no doorbell");
  const small = { ...doorbell, bars: parseResources("0x1000 0x107f 0x200\n" + lines[1]) };
  await assertRejects(() => doorbellKick(sys, small, 5, 1, "kick").send(), SourceError);
  await assertRejects(() => doorbellKick(sys, doorbell, 65536, 1, "kick").send(), RangeError);
  assertEquals(mapped(), 0);
});
