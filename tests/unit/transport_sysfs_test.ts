/** Enumeration over a sysfs of our own making: every bus, and files that come and go. */
import { assertEquals } from "@std/assert";
import { enumerate } from "../../lib/transport/enumerate.ts";
import type { SysfsReader } from "../../lib/transport/sysfs_reader.ts";
import { hexAttribute } from "../../lib/transport/sysfs_reader.ts";
import { parseFeatures, queueNames } from "../../lib/transport/virtio_sysfs.ts";
import { FIRECRACKER_BALLOON, QEMU_GPU_HOSTMEM } from "../fixtures/pci_config.ts";

/** Files by path; a link is `-> target`. `vanish` takes one away when it is first looked at. */
function reader(files: Record<string, string | Uint8Array>, vanish = ""): SysfsReader {
  const get = (path: string) => {
    const value = path === vanish ? undefined : files[path];
    return value === undefined ? null : value;
  };
  const text = (path: string) => {
    const value = get(path);
    return typeof value === "string" && !value.startsWith("-> ") ? value : null;
  };
  return {
    list: (path) =>
      [
        ...new Set(
          Object.keys(files).filter((name) => name.startsWith(`${path}/`))
            .map((name) => name.slice(path.length + 1).split("/")[0]),
        ),
      ].sort(),
    text,
    bytes(path, limit) {
      const value = get(path);
      return value instanceof Uint8Array ? value.slice(0, limit) : null;
    },
    link(path) {
      const value = get(path);
      return typeof value === "string" && value.startsWith("-> ") ? value.slice(3) : null;
    },
  };
}

function node(name: string, type: string, parent: string): Record<string, string> {
  const at = `sys/bus/virtio/devices/${name}`;
  return {
    [at]: `-> ../../../devices/x/${parent}/${name}`,
    [`${at}/device`]: type,
    [`${at}/vendor`]: "0x1af4",
    [`${at}/status`]: "0x0000000f",
    [`${at}/features`]: "01".padEnd(64, "0"),
    [`${at}/driver`]: "-> ../../../../bus/virtio/drivers/virtio_x",
  };
}

const MACHINE = {
  "sys/bus/pci/devices/0000:00:01.0/config": FIRECRACKER_BALLOON.config,
  "sys/bus/pci/devices/0000:00:01.0/resource": FIRECRACKER_BALLOON.resource,
  "sys/bus/pci/devices/0000:00:01.0/driver": "-> ../../../bus/pci/drivers/virtio-pci",
  "sys/bus/pci/devices/0000:00:07.0/config": QEMU_GPU_HOSTMEM.config,
  "sys/bus/pci/devices/0000:00:07.0/resource": QEMU_GPU_HOSTMEM.resource,
  "sys/bus/pci/devices/0000:00:1f.0/config": new Uint8Array(256).fill(0x86),
  ...node("virtio0", "0x0005", "0000:00:01.0"),
  ...node("virtio1", "0x0002", "LNRO0005:00"),
  ...node("virtio10", "0x0001", "a003e00.virtio_mmio"),
  ...node("virtio2", "0x0003", "0.0.0001"),
  "sys/bus/ccw/devices/0.0.0001/cutype": "3832/03",
  "sys/bus/ccw/devices/0.0.0002/cutype": "3390/0c",
  "proc/iomem":
    "fea00000-feafffff : PCI Bus\n  feb00e00-feb00fff : LNRO0005:00\n    feb00e00-feb00fff : LNRO0005:00 LNRO0005:00",
};

Deno.test("one view over PCI, MMIO and CCW", () => {
  const found = enumerate(reader(MACHINE));
  assertEquals(found.map(({ bus, address }) => `${bus} ${address}`), [
    "pci 0000:00:01.0",
    "pci 0000:00:07.0",
    "mmio feb00e00",
    "mmio a003e00",
    "ccw 0.0.0001",
  ]);
  const [balloon, gpu, blk, net, console] = found;
  assertEquals(balloon.node?.driver, "virtio_x");
  assertEquals([balloon.node?.features, balloon.node?.status], [2n, 15]);
  assertEquals(gpu.node, null, "no virtio driver has it");
  assertEquals(blk.bus === "mmio" && blk.registers, { start: 0xfeb00e00n, length: 0x200n });
  assertEquals(net.bus === "mmio" && net.registers?.start, 0xa003e00n);
  assertEquals(console.bus === "ccw" && console.type, 3);
});

Deno.test("any file may be gone when it is read", () => {
  for (const path of Object.keys(MACHINE)) {
    const found = enumerate(reader(MACHINE, path));
    assertEquals(found.length >= 3, true, path);
  }
  assertEquals(enumerate(reader({})), []);
});

Deno.test("without privileges addresses read zero: the platform name stands for them", () => {
  const hidden = { ...MACHINE, "proc/iomem": "00000000-00000000 : LNRO0005:00" };
  const mmio = enumerate(reader(hidden)).find(({ bus }) => bus === "mmio");
  assertEquals(mmio?.address, "LNRO0005:00");
});

Deno.test("attributes and feature strings of any length", () => {
  assertEquals(["0x1af4", "1AF4\n", "0x", "zz", "", null].map(hexAttribute), [
    0x1af4,
    0x1af4,
    null,
    null,
    null,
    null,
  ]);
  assertEquals(parseFeatures("1".padEnd(64, "0")), 1n);
  assertEquals(parseFeatures("0".repeat(127) + "1\n"), 1n << 127n);
  assertEquals([parseFeatures(""), parseFeatures("10x1")], [0n, 1n]);
});

Deno.test("queues by their interrupts", () => {
  const interrupts = [
    "           CPU0",
    " 24:   0  PCI-MSI 16384-edge  virtio0-config",
    " 25:  12  PCI-MSI 16385-edge  virtio0-input.0",
    " 26:   3  PCI-MSI 16386-edge  virtio0-output.0",
    " 27:   3  PCI-MSI 16387-edge  virtio01-req.0",
  ].join("\n");
  assertEquals(queueNames(interrupts, "virtio0"), ["input.0", "output.0"]);
  assertEquals(queueNames(interrupts, "virtio9"), []);
});
