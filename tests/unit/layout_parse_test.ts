import { assertEquals, assertThrows } from "@std/assert";
import { hex } from "../../lib/address.ts";
import type { ProtocolError } from "../../lib/errors.ts";
import { layoutDevices, parseLayout } from "../../lib/source/layout.ts";
import { image, IMAGE_NAMES } from "../support/images.ts";

const MEMORY = { file: "ram.raw", gpa: "0x0", size: 4096, offset: 0 };
const RING = { layout: "split", queue_size: 8, desc: "0x0", avail: "0x80", used: "0x100" };
const SINGLE = { format: "ring-image/1", memory: [MEMORY], features: "0x110000000", ...RING };

function parse(fields: object) {
  return parseLayout(JSON.stringify({ ...SINGLE, ...fields }));
}

Deno.test("layout: the single-ring form is one device with one queue", () => {
  const { devices, memory } = parse({ last_avail_idx: 65500, last_used_idx: 65480 });
  assertEquals(devices.map((device) => device.name), ["ring0"]);
  const { ring } = devices[0].queues[0];
  assertEquals(ring, {
    format: "split",
    size: 8,
    descriptor: 0n,
    driver: 0x80n,
    device: 0x100n,
    addressSpace: "guest",
    features: 0x110000000n,
    start: { index: 65500, wrap: true },
    used: { index: 65480, wrap: true },
  });
  assertEquals(memory[0].bytes, { kind: "file", path: "ram.raw" });
});

Deno.test("layout: without a consumer's index a ring has no start", () => {
  const { ring } = parse({}).devices[0].queues[0];
  assertEquals([ring?.start, ring?.used], [undefined, undefined]);
});

Deno.test("layout: packed positions carry their wrap counters", () => {
  const { ring } = parse({
    layout: "packed",
    driver: "0x80",
    device: "0x100",
    last_avail_idx: 200,
    avail_wrap_counter: 0,
    last_used_idx: 7,
    used_wrap_counter: 1,
  }).devices[0].queues[0];
  assertEquals(ring?.start, { index: 200, wrap: false });
  assertEquals(ring?.used, { index: 7, wrap: true });
});

Deno.test("layout: queues inherit layout, features and address space from device and root", () => {
  const queue = { queue_size: 8, desc: 0, driver: 128, device: "0x100" };
  const { devices } = parseLayout(JSON.stringify({
    format: "ring-image/1",
    memory: [MEMORY],
    layout: "split",
    features: "0x1",
    devices: [
      { name: "blk0", type: "blk", features: "0x2", status: 15, queues: [queue, queue] },
      { type: 1, queues: [{ ...queue, layout: "packed", features: "0x3", address_space: "user" }] },
    ],
  }));
  assertEquals(devices.map(({ name, type, status }) => ({ name, type, status })), [
    { name: "blk0", type: 2, status: 15 },
    { name: "net1", type: 1, status: null },
  ]);
  const rings = devices.flatMap((device) => device.queues.map((item) => item.ring));
  assertEquals(rings.map((ring) => ring?.format), ["split", "split", "packed"]);
  assertEquals(rings.map((ring) => ring?.features), [2n, 2n, 3n]);
  assertEquals(rings.map((ring) => ring?.addressSpace), ["guest", "guest", "user"]);
  assertEquals(devices[0].queues.map((item) => item.index), [0, 1]);
});

Deno.test("layout: queues are named by their device type, and those that wait are listed", () => {
  const queue = { ...RING, name: "mine" };
  const { devices } = parseLayout(JSON.stringify({
    format: "ring-image/1",
    memory: [MEMORY],
    devices: [{
      type: "virtio-net-pci",
      features: hex(1n << 17n),
      bus: "vhost-user",
      bus_id: "/run/a.sock",
      note: "",
      queues: [{ ...RING, index: 1 }, { ...queue, index: 2 }],
      waiting: [{ index: 0, note: "not set up: no size yet" }],
    }],
  }));
  assertEquals(devices[0].bus, { kind: "vhost-user", id: "/run/a.sock" });
  const [device] = layoutDevices({ name: "", kind: "", memory: [], devices }, null);
  assertEquals(device.name, "net0");
  assertEquals(device.queues.map(({ name }) => name), ["rx0", "tx0", "mine"]);
  assertEquals(device.queues[0].ring, null);
  assertEquals(device.queues[0].note, "not set up: no size yet");
});

Deno.test("layout: notifiers need a process", () => {
  const layout = parse({ kick_fd: 5 });
  assertEquals(layoutDevices(layout, null)[0].queues[0].notifier, undefined);
  const expected = { pid: 42, kickFd: 5, callFd: null };
  assertEquals(layoutDevices(layout, 42)[0].queues[0].notifier, expected);
});

Deno.test("layout: every image's layout is understood", () => {
  for (const name of IMAGE_NAMES) {
    const { config, layout } = image(name);
    assertEquals(config.format, name.includes("packed") ? "packed" : "split", name);
    assertEquals(layout.memory.length >= 1, true, name);
  }
});

const WRONG: [what: string, fields: object, message: string][] = [
  [
    "format",
    { format: "ring-image/2" },
    'layout format: wanted "ring-image/1", got "ring-image/2"',
  ],
  ["no memory", { memory: [] }, "layout memory: wanted at least one entry, got []"],
  ["memory type", { memory: {} }, "layout memory: wanted an array […], got {}"],
  ["entry type", { memory: [7] }, "layout memory[0]: wanted an object {…}, got 7"],
  [
    "gpa",
    { memory: [MEMORY, { ...MEMORY, gpa: "12k" }] },
    'layout memory[1].gpa: wanted a 64-bit number such as 0x1000, got "12k"',
  ],
  [
    "gpa negative",
    { memory: [{ ...MEMORY, gpa: -1 }] },
    "layout memory[0].gpa: wanted a 64-bit number such as 0x1000, got -1",
  ],
  [
    "gpa too large",
    { memory: [{ ...MEMORY, gpa: "0xfffffffffffff001" }] },
    'layout memory[0].gpa: wanted at most 0xfffffffffffff000, got "0xfffffffffffff001"',
  ],
  [
    "size that no file has",
    { memory: [{ address: 0, gpa: 0, size: "0xffffffffffffffff" }] },
    'layout memory[0].size: wanted at most 0x1fffffffffffff bytes, got "0xffffffffffffffff"',
  ],
  [
    "address too large",
    { memory: [{ address: "0xfffffffffffff000", gpa: 0, size: 0x1001 }] },
    'layout memory[0].address: wanted at most 0xffffffffffffefff, got "0xfffffffffffff000"',
  ],
  [
    "size 0",
    { memory: [{ ...MEMORY, size: 0 }] },
    "layout memory[0].size: wanted more than 0 bytes, got 0",
  ],
  [
    "size missing",
    { memory: [{ file: "a", gpa: 0 }] },
    "layout memory[0].size: wanted a 64-bit number such as 0x1000, got nothing",
  ],
  [
    "offset",
    { memory: [{ ...MEMORY, offset: 1.5 }] },
    "layout memory[0].offset: wanted an integer from 0 to 9007199254740991, got 1.5",
  ],
  [
    "two origins",
    { memory: [{ ...MEMORY, memfd: "ram" }] },
    'layout memory[0]: wanted exactly one of "file", "memfd", "fd", "address", "foreign", "grants", ' +
    'got ["file","memfd"]',
  ],
  [
    "a frame of Xen that is none",
    { memory: [{ foreign: 3, gpa: "0x1800", size: 4096 }] },
    'layout memory[0].gpa: wanted a multiple of 4096, got "0x1800"',
  ],
  [
    "a domain that Xen reserves",
    { memory: [{ grants: 0x7ff0, gpa: "0x1000", size: 4096 }] },
    "layout memory[0].grants: wanted an integer from 0 to 32751, got 32752",
  ],
  [
    "overlap",
    { memory: [{ ...MEMORY, gpa: "0x1800" }, { ...MEMORY, gpa: "0x1000" }] },
    'layout memory[0].gpa: wanted 0x2000 or more, where memory[1] ends, got "0x1800"',
  ],
  [
    "user overlap",
    {
      memory: [{ ...MEMORY, user_address: "0x7000" }, {
        ...MEMORY,
        gpa: "0x1000",
        user_address: "0x7000",
      }],
    },
    'layout memory[1].user_address: wanted 0x8000 or more, where memory[0] ends, got "0x7000"',
  ],
  ["layout", { layout: "both" }, 'layout layout: wanted "split" or "packed", got "both"'],
  ["size", { queue_size: "8" }, 'layout queue_size: wanted an integer from 0 to 65535, got "8"'],
  [
    "wrap",
    { last_avail_idx: 0, avail_wrap_counter: 2 },
    "layout avail_wrap_counter: wanted 0 or 1, got 2",
  ],
  ["devices", { devices: 3 }, "layout devices: wanted an array […], got 3"],
  [
    "device name",
    { devices: [{ name: "a/b" }] },
    'layout devices[0].name: wanted a name without ":" and "/", got "a/b"',
  ],
  [
    "same names",
    { devices: [{ name: "a" }, { name: "a" }] },
    'layout devices[1].name: wanted a new name, got "a"',
  ],
  [
    "nested path",
    { devices: [{ queues: [{ ...RING, desc: null }] }] },
    "layout devices[0].queues[0].desc: wanted a 64-bit number such as 0x1000, got null",
  ],
];

for (const [what, fields, message] of WRONG) {
  Deno.test(`layout: says what is wrong: ${what}`, () => {
    const error = assertThrows(() => parse(fields)) as ProtocolError;
    assertEquals(error.protocol, "layout");
    assertEquals(error.message, message);
  });
}

Deno.test("layout: text that is no JSON, and control characters, do not pass into messages", () => {
  const error = assertThrows(() => parseLayout("{]")) as ProtocolError;
  assertEquals(error.item, "file");
  const other = assertThrows(() => parse({ layout: "\x1b[31mred" })) as ProtocolError;
  assertEquals(other.got, '"\\u001b[31mred"');
});
