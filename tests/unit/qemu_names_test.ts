import { assertEquals } from "@std/assert";
import {
  parsePci,
  type PciFunction,
  pciFunctionOf,
  pciPlace,
  placeReplies,
} from "../../lib/source/qemu_bus.ts";
import { nameDevices } from "../../lib/source/qemu_qom.ts";
import { commonAddresses } from "../../lib/source/qemu_offered.ts";
import { mayAskStatus } from "../../lib/source/qemu_status.ts";
import { backEndOf, parseNetwork } from "../../lib/source/qemu_vhost.ts";

const ANON = "/machine/peripheral-anon";

/** Name by path of devices that x-query-virtio lists in this order. */
function names(...devices: [model: string, path: string][]): Record<string, string> {
  const named = nameDevices(devices.map(([model, path]) => ({ model, path })));
  return Object.fromEntries(named.map((device) => [device.path, device.name]));
}

Deno.test("names: the id, else the model and a number in the order of making", () => {
  assertEquals(
    names(
      ["virtio-blk", `${ANON}/device[10]/virtio-backend`],
      ["virtio-blk", `${ANON}/device[2]/virtio-backend`],
      ["virtio-net", `${ANON}/device[3]`],
      ["virtio-blk", "/machine/peripheral/disk.0/virtio-backend"],
      ["virtio-blk", "/machine/unattached/device[1]/virtio-backend"],
    ),
    {
      "/machine/peripheral/disk.0/virtio-backend": "disk.0",
      "/machine/unattached/device[1]/virtio-backend": "virtio-blk0",
      [`${ANON}/device[2]/virtio-backend`]: "virtio-blk1",
      [`${ANON}/device[3]`]: "virtio-net0",
      [`${ANON}/device[10]/virtio-backend`]: "virtio-blk2",
    },
  );
});

Deno.test("names: an id that looks like a number keeps its name; none can break a target", () => {
  assertEquals(
    names(
      ["virtio-blk", `${ANON}/device[0]/virtio-backend`],
      ["virtio-blk", "/machine/peripheral/virtio-blk0/virtio-backend"],
      ["a/b:c\x1b[1m", `${ANON}/device[1]/virtio-backend`],
    ),
    {
      "/machine/peripheral/virtio-blk0/virtio-backend": "virtio-blk0",
      [`${ANON}/device[0]/virtio-backend`]: "virtio-blk1",
      [`${ANON}/device[1]/virtio-backend`]: "a_b_c__1m0",
    },
  );
});

const PCI = [{
  bus: 0,
  devices: [
    { bus: 0, slot: 1, function: 0, qdev_id: "", regions: [] },
    {
      bus: 0,
      slot: 2,
      function: 3,
      qdev_id: "blk0",
      regions: [
        { type: "io", address: 49152, size: 64, bar: 0 },
        { type: "memory", address: -1, size: 4096, bar: 1 },
        { type: "memory", address: 4273897472, size: 16384, bar: 4 },
      ],
    },
    {
      bus: 0,
      slot: 3,
      function: 0,
      qdev_id: "rp1",
      pci_bridge: {
        bus: { number: 0, secondary: 1, subordinate: 1 },
        devices: [{ bus: 1, slot: 0, function: 0, qdev_id: "" }],
      },
    },
  ],
}];

/** The place of a device by its holder's path, parent_bus and addr. */
function place(holder: string, bus: unknown, addr: unknown, functions?: PciFunction[]) {
  const device = { model: "virtio-blk", path: holder, name: "x", holder };
  const qom = placeReplies([{ ok: true, value: bus }, { ok: true, value: addr }]);
  const list = functions ?? parsePci({ ok: true, value: PCI });
  const found = pciFunctionOf(device, qom, list);
  return found && pciPlace(found).id;
}

Deno.test("PCI places: by id, by bus and number, behind a bridge", () => {
  assertEquals(place("/machine/peripheral/blk0", "", null), "0000:00:02.3");
  assertEquals(place(`${ANON}/device[0]`, "/machine/q35/pcie.0", 8), "0000:00:01.0");
  assertEquals(place(`${ANON}/device[1]`, "/machine/peripheral/rp1/rp1", 0), "0000:01:00.0");
  assertEquals(place(`${ANON}/device[0]`, "/machine/q35/pcie.0", 16), null);
  assertEquals(place(`${ANON}/device[0]`, "/machine/unattached/x/virtio-mmio-bus.0", null), null);
});

Deno.test("PCI: unplaced BARs and odd answers are left out", () => {
  const [blk] = parsePci({ ok: true, value: PCI }).filter(({ id }) => id === "blk0");
  assertEquals(blk.bars, [{ start: 4273897472n, end: 4273913856n }]);
  const odd = [null, 1, "x", {}, { devices: 1 }, { devices: [null, { pci_bridge: 1 }] }];
  assertEquals(parsePci({ ok: true, value: odd }).length, 1);
  assertEquals(parsePci({ ok: true, value: "x" }), []);
  assertEquals(parsePci({ ok: false, class: "GenericError", description: "" }), []);
});

Deno.test("back-ends: vhost types and vhost network back-ends are fragile, tap is not", () => {
  const networks = parseNetwork(
    "nic: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56\n" +
      " \\ n0: index=0,type=vhost-user,fd=12\n" +
      "net1: index=0,type=nic,model=virtio-net-pci\n \\ t: index=0,type=tap,ifname=t0\n",
  );
  assertEquals(networks.get("n0"), "vhost-user");
  const ok = (value: string) => ({ ok: true as const, value });
  const end = (type: string, netdev: string | null) => {
    const { kind, fragile } = backEndOf(
      [ok(type), netdev === null ? undefined : ok(netdev)],
      networks,
    );
    return [kind, fragile];
  };
  assertEquals(end("vhost-user-blk", null), ["vhost-user", true]);
  assertEquals(end("vhost-user-fs-device", null), ["vhost-user", true]);
  assertEquals(end("vhost-vsock-device", null), ["vhost-kernel", true]);
  assertEquals(end("vhost-vdpa-device", null), ["vhost-vdpa", true]);
  assertEquals(end("virtio-net-device", "n0"), ["vhost-user", true]);
  assertEquals(end("virtio-net-device", "t"), [null, false]);
  assertEquals(end("virtio-blk-device", null), [null, false]);
});

Deno.test("status: asked only of QEMUs and devices that survive it", () => {
  const may = (major: number, minor: number, model = "virtio-blk") =>
    mayAskStatus({ major, minor, micro: 0, package: "" }, model);
  assertEquals([may(7, 2), may(9, 2), may(10, 0)], [true, true, true]);
  assertEquals([may(10, 1), may(11, 0), may(11, 1), may(12, 0)], [false, false, false, false]);
  assertEquals([may(7, 2, "virtio-gpio"), may(7, 2, "virtio-new")], [false, false]);
});

Deno.test("common configurations in a memory tree", () => {
  const text = "  00000000febe8000-00000000febe8fff (prio 0, i/o): virtio-pci-common-virtio-blk\n" +
    "  00000000febe9000-00000000febe9fff (prio 0, i/o): virtio-pci-isr-virtio-blk\n" +
    "  00000000febec000-00000000febecfff (prio 0, i/o): virtio-pci-common-virtio-net\n";
  assertEquals(commonAddresses(text + text), [0xfebe8000n, 0xfebec000n]);
});
