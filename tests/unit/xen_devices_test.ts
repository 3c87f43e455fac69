/** Devices as xenstore names them, from made-up stores: tidy, multi-queue, and hostile. */
import { assertEquals } from "@std/assert";
import { commonDevice, portDevice } from "../../lib/source/xen_devices.ts";
import { checkPath } from "../../lib/wire/xenstore/payload.ts";
import { readXenDevices } from "../../lib/xen/devices.ts";
import type { StoreReader } from "../../lib/xen/store.ts";

/** A store of these nodes; directories follow from the paths. Paths are checked as the client does. */
function store(nodes: Record<string, string>): StoreReader {
  const paths = Object.keys(nodes);
  return {
    read: (path) => Promise.resolve(nodes[checkPath(path)] ?? null),
    list(path) {
      const below = paths.filter((node) => node.startsWith(`${checkPath(path)}/`));
      const names = below.map((node) => node.slice(path.length + 1).split("/")[0]);
      return Promise.resolve(below.length === 0 ? null : [...new Set(names)]);
    },
    permissions: () => Promise.resolve([]),
  };
}

/** Nodes below a path. */
function under(path: string, nodes: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(nodes).map(([key, value]) => [`${path}/${key}`, value]));
}

const CONNECTED = { "backend-id": "0", state: "4" };

Deno.test("disk, network, console and store with references and ports", async () => {
  const devices = await readXenDevices(
    store({
      ...under("/local/domain/1", { "console/ring-ref": "691202", "console/port": "2" }),
      ...under("/local/domain/1", { "store/ring-ref": "691201", "store/port": "1" }),
      ...under("/local/domain/1/device/vbd/51712", {
        ...CONNECTED,
        ...{ "ring-ref": "8", "event-channel": "7", protocol: "x86_32-abi" },
        backend: "/local/domain/0/backend/vbd/1/51712",
      }),
      "/local/domain/0/backend/vbd/1/51712/state": "4",
      ...under("/local/domain/1/device/vif/0", {
        ...{ "backend-id": "3", state: "1", "tx-ring-ref": "522", "rx-ring-ref": "523" },
        ...{ "event-channel-tx": "9", "event-channel-rx": "10" },
      }),
    }),
    1,
  );
  assertEquals(devices.map(({ name, type, backend, note }) => [name, type, backend, note]), [
    ["xenstore", 0, 0, ""],
    ["console", 3, 0, ""],
    ["vbd-51712", 2, 0, ""],
    ["vif-0", 1, 3, "front-end initialising, back-end unknown"],
  ]);
  assertEquals(devices[1].rings[0].pages, { by: "frame", frame: 691202n });
  const [disk] = devices[2].rings;
  assertEquals([disk.abi, disk.pages, disk.port], ["x86_32-abi", { by: "grants", refs: [8] }, 7]);
  assertEquals(devices[3].rings.map(({ index, name, kind, port }) => [index, name, kind, port]), [
    [0, "rx0", "netif-rx", 10],
    [1, "tx0", "netif-tx", 9],
  ]);
  const { queues } = commonDevice(1, devices[2], null);
  assertEquals([queues[0].ring, queues[0].note, queues[0].xen?.place], [
    null,
    "blkif at grant 8",
    "grant 8",
  ]);
});

Deno.test("rings of several pages, and several queues", async () => {
  const path = "/local/domain/2/device/vbd/768";
  const queue = (n: number, first: number) =>
    under(`${path}/queue-${n}`, {
      "event-channel": `${20 + n}`,
      ...{ "ring-ref0": `${first}`, "ring-ref1": `${first + 1}` },
    });
  const [disk] = await readXenDevices(
    store({
      ...under(path, { ...CONNECTED, "ring-page-order": "1", "multi-queue-num-queues": "2" }),
      ...queue(0, 30),
      ...queue(1, 40),
    }),
    2,
  );
  assertEquals(disk.rings.map(({ name, pages, port }) => [name, pages, port]), [
    ["ring0", { by: "grants", refs: [30, 31] }, 20],
    ["ring1", { by: "grants", refs: [40, 41] }, 21],
  ]);
});

Deno.test("what a guest writes into its own nodes is not believed", async () => {
  const devices = await readXenDevices(
    store({
      ...under("/local/domain/3/device/vbd/1", {
        ...{ state: "99", backend: "../../etc", "backend-id": "-1", "ring-ref": "8; rm" },
        ...{ "ring-page-order": "4000000000", "multi-queue-num-queues": "4000000000" },
        ...{ "queue-0/event-channel": "1", "event-channel": "0x7" },
      }),
      ...under("/local/domain/3/device/ev\x1bil/0", { state: "4" }),
      ...under("/local/domain/3/device/vbd/..", { state: "4" }),
    }),
    3,
  );
  assertEquals(devices.map(({ name }) => name), ["vbd-1"]);
  // It claims as many queues as it likes, and made a node for one.
  assertEquals(devices[0].rings.map(({ pages, port }) => [pages, port]), [[null, 1]]);
  assertEquals(devices[0].note, "front-end state 99, back-end unknown");
});

Deno.test("a back-end's node that xenstore would refuse hides no device", async () => {
  const paths = [
    "/local/domain/0/backend//x",
    "/local/domain/0/backend/x/",
    "/local/domain/0/backend",
  ];
  const long = `/local/domain/0/backend/${"x".repeat(4000)}`;
  for (const backend of [...paths, long, "/local/domain/0/backend/a b"]) {
    const nodes = under("/local/domain/3/device/vbd/1", { state: "4", backend, "ring-ref": "8" });
    const [disk] = await readXenDevices(store(nodes), 3);
    assertEquals([disk.rings[0].pages, disk.note], [
      { by: "grants", refs: [8] },
      "front-end connected, back-end unknown",
    ]);
  }
});

Deno.test("a number of more than 32 bits is no reference and no port, and not another one", async () => {
  const numbers = { "ring-ref": "4294967304", "event-channel": "4294967296" };
  const nodes = under("/local/domain/3/device/vbd/1", { ...CONNECTED, ...numbers });
  const [disk] = await readXenDevices(store(nodes), 3);
  assertEquals([disk.rings[0].pages, disk.rings[0].port], [null, null]);
});

Deno.test("virtio devices that a device model serves", async () => {
  const devices = await readXenDevices(
    store(under("/local/domain/0/backend/virtio/5/0", {
      ...{ type: "virtio,device22", base: "0x2000000", grant_usage: "1", irq: "33" },
    })),
    5,
  );
  assertEquals([devices[0].name, devices[0].type], ["virtio-0", 0x22]);
  assertEquals(devices[0].note.includes("0x2000000, by grants"), true);
});

Deno.test("a bare port is a device of its own", () => {
  assertEquals(portDevice(1, "port-11")?.queues[0].xen?.port, 11);
  assertEquals([portDevice(1, "port-x"), portDevice(1, "vbd-1")], [null, null]);
});
