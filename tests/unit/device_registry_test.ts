import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { featureNames, statusNames } from "../../lib/device/features.ts";
import { loadDeviceType } from "../../lib/device/load.ts";
import { deviceName, queueName } from "../../lib/device/names.ts";
import { net, netHeaderSize } from "../../lib/device/net.ts";
import { netQueueRole } from "../../lib/device/queue_roles.ts";
import { DEVICE_TYPES, deviceType, deviceTypeNamed } from "../../lib/device/registry.ts";
import { chainOf, contextOf, hexBytes, VERSION_1 } from "../support/device_vectors.ts";

Deno.test("registry: ids are those of virtio 1.4, chapter 5", () => {
  assertEquals(DEVICE_TYPES.map(({ id, name }) => `${id} ${name}`), [
    "1 net",
    "2 blk",
    "3 console",
    "4 rng",
    "5 balloon",
    "8 scsi",
    "9 9p",
    "16 gpu",
    "18 input",
    "19 vsock",
    "20 crypto",
    "23 iommu",
    "24 mem",
    "25 sound",
    "26 fs",
    "27 pmem",
    "34 i2c",
    "41 gpio",
  ]);
});

Deno.test("registry: every assigned id has a name, others are unknown", () => {
  const unassigned = [14, 15, 50, 65535];
  for (let id = 0; id < 50; id++) {
    assertEquals(deviceType(id).id, id);
    assertEquals(deviceType(id).name.startsWith("unknown"), unassigned.includes(id), `${id}`);
  }
  assertEquals(deviceType(65535).name, "unknown(65535)");
});

Deno.test("a type loaded alone is the registry's, with or without a decoder", async () => {
  for (const type of DEVICE_TYPES) assertStrictEquals(await loadDeviceType(type.id), type);
  for (const id of [0, 6, 32, 65535]) {
    assertEquals((await loadDeviceType(id)).name, deviceType(id).name);
  }
});

Deno.test("names of types and queues need no decoder, and are the decoders'", () => {
  const context = { features: VERSION_1, queueCount: 5 };
  for (const type of DEVICE_TYPES) {
    assertEquals(deviceName(type.id), type.name);
    for (let queue = 0; queue < 6; queue++) {
      assertEquals(queueName(type.id, queue, context), type.queueName(queue, context), type.name);
    }
  }
  assertEquals(queueName(32, 1, context), "queue1");
});

Deno.test("registry: names lead back to their type", () => {
  for (let id = 0; id < 60; id++) assertEquals(deviceTypeNamed(deviceType(id).name)?.id, id);
  assertEquals(deviceTypeNamed("toaster"), null);
  assertEquals(deviceTypeNamed("constructor"), null);
  assertEquals(deviceTypeNamed(""), null);
});

Deno.test("registry: QEMU's names are understood", () => {
  const names = {
    "virtio-net-pci": "net",
    "virtio-blk-pci-non-transitional": "blk",
    "vhost-user-blk-pci": "blk",
    "virtio-serial": "console",
    "virtio-serial-pci": "console",
    "virtio-rng-ccw": "rng",
    "virtio-9p-device": "9p",
    "vhost-vsock-pci": "vsock",
    "vhost-user-fs": "fs",
    "virtio-gpu-gl-pci": "gpu",
    "virtio-keyboard-pci": "input",
    "vhost-user-snd": "sound",
  };
  for (const [name, type] of Object.entries(names)) {
    assertEquals(deviceTypeNamed(name)?.name, type, name);
  }
});

Deno.test("registry: a type without a decoder says how long a chain is and how it begins", () => {
  const chain = chainOf(hexBytes("0102ff"), hexBytes("00*8"));
  const context = contextOf({ device: "", type: "", summary: "" });
  const decoded = deviceType(32).decode(chain, context);
  assertEquals(decoded?.device, "scmi");
  assertEquals(decoded?.summary, "3 readable bytes, 8 writable bytes");
  assertEquals(decoded?.fields, { readable: 3, writable: 8, head: "0102ff" });
});

/** Names of the first queues of a device type. */
function names(
  device: string,
  count: number,
  features = VERSION_1,
  queueCount: number | null = null,
) {
  const type = deviceTypeNamed(device) ?? deviceType(0);
  return Array.from(
    { length: count },
    (_, queue) => type.queueName(queue, { features, queueCount }),
  )
    .join(" ");
}

Deno.test("queue names: net", () => {
  const CTRL = VERSION_1 | 1n << 17n;
  const MQ = CTRL | 1n << 22n;
  const RSS = CTRL | 1n << 60n;
  assertEquals(names("net", 2), "rx0 tx0");
  assertEquals(names("net", 3, CTRL), "rx0 tx0 ctrl");
  assertEquals(names("net", 5, MQ, 5), "rx0 tx0 rx1 tx1 ctrl");
  assertEquals(names("net", 5, RSS, 5), "rx0 tx0 rx1 tx1 ctrl");
  // Without MQ negotiated the control queue is the third, however many the device has.
  assertEquals(names("net", 3, CTRL, 9), "rx0 tx0 ctrl");
  // A vhost-user back-end sees the data queues alone.
  assertEquals(names("net", 4, MQ, 4), "rx0 tx0 rx1 tx1");
  assertEquals(netQueueRole(4, { features: MQ, queueCount: null }), "rx");
});

Deno.test("queue names: console ports follow the control queues", () => {
  assertEquals(names("console", 8), "rx0 tx0 ctrl-rx ctrl-tx rx1 tx1 rx2 tx2");
});

Deno.test("queue names: fs with and without notifications", () => {
  assertEquals(names("fs", 3), "hiprio request0 request1");
  assertEquals(names("fs", 4, VERSION_1 | 1n), "hiprio notification request0 request1");
});

Deno.test("queue names: crypto's control queue is the last", () => {
  assertEquals(names("crypto", 3, VERSION_1, 3), "data0 data1 ctrl");
  assertEquals(names("crypto", 2), "data0 data1");
});

Deno.test("queue names: balloon without gaps, as Linux numbers them", () => {
  assertEquals(names("balloon", 6, 0n), "inflate deflate stats free-page reporting queue5");
  assertEquals(names("balloon", 3, VERSION_1 | 32n), "inflate deflate reporting");
});

Deno.test("queue names: the others", () => {
  assertEquals(names("blk", 2), "request0 request1");
  assertEquals(names("scsi", 4), "ctrl event request0 request1");
  assertEquals(names("gpu", 3), "ctrl cursor queue2");
  assertEquals(names("sound", 4), "ctrl event tx rx");
  assertEquals(names("vsock", 3), "rx tx event");
  assertEquals(names("gpio", 2), "request event");
  assertEquals(names("scmi", 2), "queue0 queue1");
});

Deno.test("features: common and device bits, unknown ones as numbers", () => {
  const features = 1n << 15n | 1n << 28n | 1n << 32n | 1n << 25n | 1n << 65n;
  assertEquals(featureNames(net, features), [
    "MRG_RXBUF",
    "25",
    "INDIRECT_DESC",
    "VERSION_1",
    "GUEST_UDP_TUNNEL_GSO",
  ]);
  assertEquals(featureNames(null, 1n << 5n), ["5"]);
  assertEquals(featureNames(net, 0n), []);
});

Deno.test("features: bit 41 is the legacy net device's own, else the admin queue", () => {
  assertEquals(featureNames(net, 1n << 41n), ["GUEST_RSC4"]);
  assertEquals(featureNames(net, 1n << 41n | VERSION_1), ["VERSION_1", "ADMIN_VQ"]);
  assertEquals(featureNames(net, 1n << 42n), ["GUEST_RSC6"]);
});

Deno.test("features: device types name bits of their own range alone", () => {
  for (const { name, features } of DEVICE_TYPES) {
    for (const bit of Object.keys(features).map(Number)) {
      assert(bit <= 23 || bit === 41 || bit === 42 || (bit >= 50 && bit <= 127), `${name} ${bit}`);
    }
  }
});

Deno.test("status: bits by name", () => {
  assertEquals(statusNames(0), ["RESET"]);
  assertEquals(statusNames(0x0f), ["ACKNOWLEDGE", "DRIVER", "DRIVER_OK", "FEATURES_OK"]);
  assertEquals(statusNames(0xe0), ["32", "DEVICE_NEEDS_RESET", "FAILED"]);
});

Deno.test("net header: its size follows the features (5.1.9)", () => {
  assertStrictEquals(netHeaderSize(0n), 10);
  assertStrictEquals(netHeaderSize(1n << 15n), 12);
  assertStrictEquals(netHeaderSize(VERSION_1), 12);
  assertStrictEquals(netHeaderSize(VERSION_1 | 1n << 57n), 20);
  assertStrictEquals(netHeaderSize(VERSION_1 | 1n << 67n), 24);
  assertStrictEquals(netHeaderSize(VERSION_1 | 1n << 69n), 32);
});

Deno.test("net: a buffer that continues a merged packet has no header", () => {
  const chain = chainOf(new Uint8Array(), hexBytes("ff*1526"), 700);
  const context = { ...contextOf({ device: "net", type: "", summary: "" }), continuation: true };
  const decoded = net.decode(chain, context);
  assertEquals(decoded?.summary, "rx 700 bytes, continues a merged packet");
  assertEquals(decoded?.fields, { frameLength: 700 });
  assertEquals(decoded?.notes, []);
});
