import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Device } from "../../lib/guest/guest.ts";
import { readDevices } from "../../lib/source/qemu_devices.ts";
import { vhostState } from "../../lib/source/qemu_queues.ts";
import { readRanges } from "../../lib/source/qemu_layout.ts";
import { connectMonitor } from "../../lib/source/qemu_monitor.ts";
import { sys } from "../support/host.ts";
import { type RecordedCommand, recording, replay } from "../support/monitor.ts";

/** Devices that a recording tells, and what was asked for them. */
async function devicesOf(
  name: string,
  options: { avoidStatus?: boolean; more?: Parameters<typeof replay>[1] } = {},
): Promise<{ devices: readonly Device[]; note: string; asked: RecordedCommand[]; trips: number }> {
  await using socket = await replay(recording(name), options.more);
  using monitor = await connectMonitor(socket.path, { sys });
  const list = await readDevices(monitor, options);
  return { ...list, asked: socket.asked, trips: monitor.roundTrips };
}

const rings = (device: Device) => device.queues.filter(({ ring }) => ring !== null).length;

Deno.test("recorded q35 guest: six devices by place, with features, status and queue names", async () => {
  const { devices, note, trips } = await devicesOf("split");
  assertEquals(note, "");
  assertEquals(
    devices.map((one) => `${one.bus.id} ${one.name} ${one.type} ${one.status} ${rings(one)}`),
    [
      "0000:00:01.0 blk0 2 15 1",
      "0000:00:02.0 net0 1 15 3",
      "0000:00:03.0 ser0 3 15 64",
      "0000:00:04.0 rng0 4 15 1",
      "0000:00:05.0 bal0 5 15 3",
      "0000:00:06.0 scsi0 8 15 3",
    ],
  );
  assertEquals(devices.map((one) => one.vhost), new Array(6).fill(null));
  assertEquals(devices.map((one) => one.note), new Array(6).fill(""));
  assertEquals(devices.map((one) => one.ports), new Array(6).fill(false), "modern, all of them");
  const [blk, net, serial] = devices;
  assertEquals(blk.queues[0].ring, {
    format: "split",
    size: 256,
    addressSpace: "guest",
    features: 0x10130006e54n,
    descriptor: 0x1fec6000n,
    driver: 0x1fec7000n,
    device: 0x1fec7240n,
    fetched: { index: 7, wrap: false },
    used: { index: 6, wrap: false },
  });
  assertEquals(net.queues.map(({ name }) => name), ["rx0", "tx0", "ctrl"]);
  assertEquals(serial.queues.filter(({ note }) => note.startsWith("unused")).length, 61);
  // 75 queues in as few trips as eight commands each allow.
  assertEquals(trips < 30, true, `${trips} round trips`);
});

Deno.test("recorded packed guests: the used slot without its lap", async () => {
  for (const name of ["packed-noevent-noind", "q10-packed"]) {
    const { devices } = await devicesOf(name);
    for (const { ring } of devices.flatMap((one) => one.queues)) {
      if (ring === null) continue;
      assertEquals([ring.format, ring.used?.wrap], ["packed", false]);
      assertEquals((ring.used?.index ?? 0) < ring.size, true);
    }
  }
  const { devices } = await devicesOf("q10-packed");
  const blk = devices.find((one) => one.name === "blk0");
  assertEquals(blk?.queues[0].ring, {
    format: "packed",
    size: 256,
    addressSpace: "guest",
    features: 0x10530006e54n,
    descriptor: 535183360n,
    driver: 535334912n,
    device: 535330816n,
    fetched: { index: 10, wrap: false },
    used: { index: 10, wrap: false },
  });
});

Deno.test("recorded microvm: virtio-mmio places come from the object tree", async () => {
  const get = (path: string, property: string, value: unknown) =>
    [{ execute: "qom-get", arguments: { path, property } }, { return: value }] as [
      RecordedCommand,
      Record<string, unknown>,
    ];
  const transport = "/machine/unattached/device[27]";
  const { devices } = await devicesOf("microvm", {
    more: [
      get("/machine/peripheral/blk0", "parent_bus", `${transport}/virtio-mmio-bus.23`),
      get(`${transport}/virtio-mmio[0]`, "addr", 0xfeb02e00),
    ],
  });
  const places = Object.fromEntries(devices.map((one) => [one.name, one.bus]));
  assertEquals(places.blk0, { kind: "mmio", id: "feb02e00" });
  assertEquals(places.net0, { kind: "none", id: "" });
});

Deno.test("a vhost-user device is asked only what sends nothing to its back-end", async () => {
  for (const avoidStatus of [false, true]) {
    const { devices, asked } = await devicesOf("vhost-user-blk", { avoidStatus });
    const vu = devices.find((one) => one.name === "vu") as Device;
    assertEquals(vu.vhost, avoidStatus ? "vhost-kernel" : "vhost-user");
    assertEquals([vu.queues.length, vu.queues[0].ring?.descriptor], [1, 0x5335000n]);
    assertEquals([vu.queues[0].ring?.driver, vu.queues[0].ring?.size], [0x5335800n, 128]);
    assertEquals(vu.queues[0].ring?.fetched, undefined);
    const harmful = asked.filter(({ execute, arguments: args }) =>
      execute === "x-query-virtio-queue-status" && String(args?.path).includes("/vu/")
    );
    assertEquals(harmful, []);
  }
});

Deno.test("a vhost-user device whose back-end has not started is not asked either", async () => {
  const path = "/machine/peripheral/blk0/virtio-backend";
  const type: RecordedCommand = { execute: "qom-get", arguments: { path, property: "type" } };
  const { devices, asked } = await devicesOf("split", {
    more: [[type, { return: "vhost-user-blk" }]],
  });
  const [blk] = devices;
  assertEquals([blk.vhost, blk.queues.length, blk.queues[0].ring], ["vhost-user", 1, null]);
  assertStringIncludes(blk.queues[0].note, "vhost-user back-end has not started");
  assertEquals(
    asked.some((one) =>
      one.execute === "x-query-virtio-queue-status" && one.arguments?.path === path
    ),
    false,
  );
});

Deno.test("only where QEMU says that vhost has not started, a device is asked plainly", () => {
  const refusal = (description: string) =>
    vhostState({ ok: false, class: "GenericError", description });
  assertEquals(refusal("Error: vhost device has not started yet"), "none");
  assertEquals(refusal("Invalid vhost virtqueue number 0"), "running");
  assertEquals(refusal(""), "running");
  assertEquals(vhostState({ ok: true, value: {} }), "running");
});

Deno.test("vhost queues beyond what QEMU tells are left alone", async () => {
  const path = "/machine/peripheral/net0/virtio-backend";
  const question = (queue: number): RecordedCommand => ({
    execute: "x-query-virtio-vhost-queue-status",
    arguments: { path, queue },
  });
  const status = { num: 256, "desc-phys": 4096, "avail-phys": 8192, "used-phys": 12288 };
  const refused = { class: "GenericError", desc: "Invalid vhost virtqueue number 2" };
  const { devices, asked } = await devicesOf("split", {
    more: [[question(0), { return: status }], [question(1), { return: status }], [question(2), {
      error: refused,
    }]],
  });
  const net = devices.find((one) => one.name === "net0") as Device;
  assertEquals(net.vhost, "vhost-kernel");
  assertEquals(net.queues.map(({ ring }) => ring?.size ?? null), [256, 256, null]);
  assertStringIncludes(net.queues[2].note, "asking the back-end would stop it");
  const plain = asked.filter((one) =>
    one.execute === "x-query-virtio-queue-status" && one.arguments?.path === path
  );
  assertEquals(plain, []);
});

Deno.test("without x-query-virtio-status: offered features, queues counted, never the question", async () => {
  const path = "/machine/peripheral/blk0/virtio-backend";
  const offered = ["indirect_desc", "event_idx", "queue_reset"].map((property) =>
    [{ execute: "qom-get", arguments: { path, property } }, { return: true }] as [
      RecordedCommand,
      Record<string, unknown>,
    ]
  );
  const { devices, asked } = await devicesOf("split", { avoidStatus: true, more: offered });
  assertEquals(asked.some(({ execute }) => execute === "x-query-virtio-status"), false);
  const [blk, net] = devices;
  assertEquals([blk.type, blk.status, blk.queues.length], [2, null, 1]);
  assertEquals(blk.features, 1n << 28n | 1n << 29n | 1n << 32n | 1n << 40n);
  assertStringIncludes(blk.note, "features are what the device offers");
  assertEquals([net.type, net.queues.length], [1, 3]);
});

Deno.test("without x-query-virtio-status: the half that the PCI configuration shows is exact", async () => {
  const path = "/machine/peripheral/blk0/virtio-backend";
  const ask = (question: RecordedCommand, reply: unknown) =>
    [question, { return: reply }] as [RecordedCommand, Record<string, unknown>];
  const offered = ["event_idx", "packed", "in_order"].map((property) =>
    ask({ execute: "qom-get", arguments: { path, property } }, true)
  );
  // QEMU 11.1 writes short addresses, 7.2 all 16 digits.
  const xp = (format: string, address: string, text: string) =>
    ask(
      {
        execute: "human-monitor-command",
        arguments: { "command-line": `xp /1x${format} 0x${address}` },
      },
      text,
    );
  const common = (half: string, features: string, status: string) => [
    xp("w", "febe8008", `febe8008: 0x${half}\r\n`),
    xp("w", "febe800c", `00000000febe800c: 0x${features}\r\n`),
    xp("h", "febe8012", "febe8012: 0x0001\r\n"),
    xp("b", "febe8014", `febe8014: 0x${status}\r\n`),
  ];
  const blk = async (...shown: Parameters<typeof common>) => {
    const more = [...offered, ...common(...shown)];
    const { devices } = await devicesOf("split", { avoidStatus: true, more });
    return [devices[0].features, devices[0].status, devices[0].queues.length];
  };
  // Offered, but the driver took neither packed rings nor in-order use.
  const EVENT_IDX = 1n << 29n;
  assertEquals(await blk("00000001", "00000101", "0f"), [EVENT_IDX | 0x101n << 32n, 15, 1]);
  assertEquals(await blk("00000000", "00000044", "0f"), [0x44n | 0b1100n << 32n, 15, 1]);
  assertEquals(await blk("00000001", "00000000", "00"), [0n, 0, 1]);
});

Deno.test("no virtio devices, and a QEMU too old to tell", async () => {
  const listing: RecordedCommand = { execute: "x-query-virtio" };
  const error = (name: string) => ({ error: { class: name, desc: "No virtio devices found" } });
  const none = await devicesOf("split", { more: [[listing, error("GenericError")]] });
  assertEquals([none.devices.length, none.note], [0, ""]);
  const old = await devicesOf("split", { more: [[listing, error("CommandNotFound")]] });
  assertStringIncludes(old.note, "QEMU 7.2.22 has no x-query-virtio, which came with 7.2");
});

Deno.test("recorded layout: ranges that gpa2hva does not know are left out", async () => {
  await using socket = await replay(recording("split"));
  using monitor = await connectMonitor(socket.path, { sys });
  const ranges = await readRanges(monitor);
  // Only gpa2hva 0x0 was recorded; the BIOS's was not.
  assertEquals(ranges.map(({ start, end, host }) => [start, end, host]), [
    [0n, 0x20000000n, 0x7f3047fff000n],
  ]);
  assertEquals(monitor.roundTrips, 3);
});
