/**
 * QEMU's VirtQueue, recognised from bytes of real QEMU 7.2.22 processes.
 *
 *   0    16     24      32    40   48  56..            88       96    104          116          128
 *   num  desc   driver  device ..  ..  indices  index  handle_  vdev  guest        host         enabled
 *                                               @72    output         rfd wfd init rfd wfd init
 */
import { assertEquals } from "@std/assert";
import {
  parseVirtQueue,
  type ProcessShape,
  VIRTQUEUE_LENGTH,
  type WantedQueue,
} from "../../lib/kick/virtqueue_struct.ts";

/** virtio-blk, queue 0: guest notifier fd 11, host notifier fd 16. */
const BLK =
  "0001000000010000001000000000000000205d050000000000305d050000000040325d05000000004072080d3e7f0000" +
  "508b1a79835500000200010002000100020001000200010100000000000000000100000000000000006da77383550000" +
  "00f61979835500000b0000000b0000000100000010000000100000000100000001000000000000000000000000000000" +
  "b88a1a7983550000";

/** virtio-net, queue 2: no guest notifier, host notifier fd 19, index 2, 64 entries. */
const NET =
  "4000000040000000001000000000000000307905000000000034790500000000c0347905000000005056280d3e7f0000" +
  "40122a7983550000090001000900010009000100090001010200000000000000ffff000000000000405ba97383550000" +
  "30d728798355000000000000000000000000000013000000130000000100000001000000000000000000000000000000" +
  "00000000";

const BLK_QUEUE: WantedQueue = {
  device: "blk0",
  index: 0,
  ring: { size: 256, descriptor: 0x55d2000n, driver: 0x55d3000n, device: 0x55d3240n },
};

const SHAPE: ProcessShape = {
  isCode: (address) => address >> 32n === 0x5583n && (address & 0xffff_ffffn) < 0x7500_0000n,
  isData: (address) => address >> 32n === 0x5583n && (address & 0xffff_ffffn) >= 0x7900_0000n,
  isEventfd: (fd) => [11, 16, 19].includes(fd),
};

function bytesOf(hexText: string): Uint8Array {
  const bytes = new Uint8Array(VIRTQUEUE_LENGTH);
  bytes.set(Uint8Array.fromHex(hexText));
  return bytes;
}

/** BLK with one change. */
function changed(change: (view: DataView) => void): Uint8Array {
  const bytes = bytesOf(BLK);
  change(new DataView(bytes.buffer));
  return bytes;
}

function setPair(view: DataView, fd: number): void {
  view.setInt32(116, fd, true);
  view.setInt32(120, fd, true);
}

Deno.test("both notifiers of a queue with irqfd and ioeventfd", () => {
  const found = parseVirtQueue(bytesOf(BLK), BLK_QUEUE, SHAPE);
  assertEquals(found, { vdev: 0x55837919f600n, guestNotifier: 11, hostNotifier: 16 });
});

Deno.test("a queue whose interrupts QEMU raises itself has no guest notifier", () => {
  const ring = { size: 64, descriptor: 0x5793000n, driver: 0x5793400n, device: 0x57934c0n };
  const found = parseVirtQueue(bytesOf(NET), { device: "net0", index: 2, ring }, SHAPE);
  assertEquals(found, { vdev: 0x55837928d730n, guestNotifier: null, hostNotifier: 19 });
});

Deno.test("a struct of before 7.1, whose EventNotifier has no third field", () => {
  const old = changed((view) => {
    [11, 11, 16, 16, 1, 0].forEach((value, i) => view.setInt32(104 + 4 * i, value, true));
  });
  const found = parseVirtQueue(old, BLK_QUEUE, SHAPE);
  assertEquals([found?.guestNotifier, found?.hostNotifier], [11, 16]);
});

Deno.test("a queue without ioeventfd has no host notifier, and is still that queue", () => {
  const unset = changed((view) => {
    for (let at = 104; at < 132; at += 4) view.setInt32(at, 0, true);
  });
  const cleaned = changed((view) => {
    [-1, -1, 0, -1, -1, 0].forEach((value, i) => view.setInt32(104 + 4 * i, value, true));
  });
  for (const bytes of [unset, cleaned]) {
    const found = parseVirtQueue(bytes, BLK_QUEUE, SHAPE);
    assertEquals([found?.guestNotifier, found?.hostNotifier], [null, null]);
  }
});

Deno.test("anything that does not agree is not that queue", () => {
  const cases: [string, Uint8Array, WantedQueue][] = [
    ["another size", changed((view) => view.setUint32(0, 128, true)), BLK_QUEUE],
    ["another device area", changed((view) => view.setBigUint64(32, 0n, true)), BLK_QUEUE],
    ["another index", bytesOf(BLK), { ...BLK_QUEUE, index: 1 }],
    ["no code pointer", changed((view) => view.setBigUint64(88, 0n, true)), BLK_QUEUE],
    ["no device", changed((view) => view.setBigUint64(96, 4096n, true)), BLK_QUEUE],
    ["read end is not write end", changed((view) => view.setInt32(116, 11, true)), BLK_QUEUE],
    ["not an eventfd", changed((view) => setPair(view, 5)), BLK_QUEUE],
    ["not a bool", changed((view) => view.setUint8(124, 7)), BLK_QUEUE],
    ["too short", bytesOf(BLK).subarray(0, 200), BLK_QUEUE],
  ];
  for (const [what, bytes, queue] of cases) {
    assertEquals(parseVirtQueue(bytes, queue, SHAPE), null, what);
  }
});
