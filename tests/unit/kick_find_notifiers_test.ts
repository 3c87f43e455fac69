/**
 * The search for ioeventfds in a process of our own making. Its heap holds what the case needs:
 *
 *   heap 0x500000: [ VirtQueue 0 ][ VirtQueue 1 ]   …copies, forgeries…
 *   code 0x400000 (a file, read-only)
 */
import { assertEquals, assertRejects } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import type { Sys } from "../../ffi/sys.ts";
import type { Device } from "../../lib/guest/guest.ts";
import { findNotifiers, wantedQueues } from "../../lib/kick/find_notifiers.ts";
import { ioeventfdKick } from "../../lib/kick/ioeventfd.ts";
import { fakeSys } from "../support/fake_sys.ts";

const CODE = 0x400000n;
const HEAP = 0x500000n;
const VDEV = HEAP + 0x10000n;
/** More than is read in one go, which is 4 MiB. */
const SIZE = 6 << 20;
const STRIDE = 152;
const MAPS = [
  "00400000-00401000 r-xp 00000000 fe:00 77 /usr/bin/qemu-system-x86_64",
  "00500000-00b00000 rw-p 00000000 00:00 0 [heap]",
  "00c00000-00d00000 rw-s 00000000 00:01 9 /memfd:ram (deleted)",
].join("\n");

/** Queue `index` has its areas at 0x1000 * (1 + 3 * index) and on. */
function areas(index: number) {
  const base = BigInt(0x1000 * (1 + 3 * index));
  return { descriptor: base, driver: base + 0x1000n, device: base + 0x2000n };
}

interface Struct {
  readonly index: number;
  readonly kick: number;
  readonly call?: number;
  readonly vdev?: bigint;
}

function put(heap: Uint8Array, offset: number, { index, kick, call, vdev = VDEV }: Struct): void {
  const view = new DataView(heap.buffer, offset);
  const { descriptor, driver, device } = areas(index);
  view.setUint32(0, 256, true);
  [descriptor, driver, device].forEach((area, i) => view.setBigUint64(16 + 8 * i, area, true));
  view.setUint16(72, index, true);
  view.setBigUint64(88, CODE + 16n, true);
  view.setBigUint64(96, vdev, true);
  const guest = call === undefined ? [0, 0, 0] : [call, call, 1];
  [...guest, kick, kick, 1].forEach((value, i) => view.setInt32(104 + 4 * i, value, true));
}

/** A QEMU whose fds 10 to 19 are eventfds 100 to 109, all of them at `count`. */
function qemu(heap: Uint8Array, count = 0) {
  const written: number[] = [];
  const script: Partial<Sys> = {
    pageSize: 4096,
    readText: (path) => {
      if (path.endsWith("/maps")) return MAPS;
      const fd = Number(path.split("/").at(-1));
      return `pos:\t0\neventfd-count: ${count.toString(16)}\neventfd-id: ${90 + fd}\n`;
    },
    readdir: () => Array.from({ length: 20 }, (_, fd) => String(fd)),
    readlink: (path) =>
      Number(path.split("/").at(-1)) >= 10 ? "anon_inode:[eventfd]" : "socket:[1]",
    // pagemap is out of reach: every page is looked at.
    open: () => {
      throw new SyscallError("open", "EACCES", "pagemap");
    },
    processVmReadv(_, address, target) {
      const at = Number(address - HEAP);
      if (at < 0 || at >= heap.length) throw new SyscallError("process_vm_readv", "EFAULT", "");
      const bytes = heap.subarray(at, Math.min(heap.length, at + target.length));
      target.set(bytes);
      return bytes.length;
    },
    pidfdOpen: () => 5,
    pidfdGetfd: (_, fd) => fd,
    close: () => {},
    signal: (fd) => void written.push(fd),
  };
  return { ...fakeSys({ script }), written };
}

function devices(count: number, name = "blk0"): Device[] {
  const queues = Array.from({ length: count }, (_, index) => ({
    index,
    name: `request${index}`,
    ring: {
      format: "split" as const,
      size: 256,
      ...areas(index),
      addressSpace: "guest" as const,
      features: 0n,
    },
    note: "",
  }));
  const bus = { kind: "pci", id: "" } as const;
  return [{ name, type: 2, bus, status: 15, features: 0n, vhost: null, queues, note: "" }];
}

function heapWith(...structs: [offset: number, struct: Struct][]): Uint8Array {
  const heap = new Uint8Array(SIZE);
  for (const [offset, struct] of structs) put(heap, offset, struct);
  return heap;
}

function search(heap: Uint8Array, count = 2) {
  const { sys } = qemu(heap);
  return findNotifiers(sys, 42, wantedQueues(devices(count)))
    .map((found) => "refused" in found ? found.refused : [found.kickFd, found.callFd]);
}

Deno.test("both notifiers of both queues", () => {
  const heap = heapWith(
    [0x2000, { index: 0, kick: 10, call: 12 }],
    [0x2000 + STRIDE, { index: 1, kick: 11 }],
  );
  assertEquals(search(heap), [[10, 12], [11, null]]);
});

Deno.test("a struct across the border of two reads is found", () => {
  const heap = heapWith([(4 << 20) - 24, { index: 0, kick: 10 }]);
  assertEquals(search(heap, 1), [[10, null]]);
});

Deno.test("copies of the addresses alone are no struct", () => {
  const heap = heapWith([0x2000, { index: 0, kick: 10 }]);
  // As VirtIOPCIQueue has them: the same 24 bytes, with something else around.
  heap.copyWithin(0x8010, 0x2010, 0x2028);
  assertEquals(search(heap, 1), [[10, null]]);
});

Deno.test("two structs that look alike are ambiguous", () => {
  const heap = heapWith(
    [0x2000, { index: 0, kick: 10 }],
    [0x9000, { index: 0, kick: 11 }],
  );
  assertEquals(search(heap, 1), [
    "ambiguous: 2 structs look like this queue, at 0x502000, 0x509000",
  ]);
});

Deno.test("one eventfd for two queues, or for both directions, is ambiguous", () => {
  const same = heapWith(
    [0x2000, { index: 0, kick: 10 }],
    [0x2000 + STRIDE, { index: 1, kick: 10 }],
  );
  const text = "ambiguous: another queue has the same eventfd";
  assertEquals(search(same), [text, text]);
  assertEquals(search(heapWith([0x2000, { index: 0, kick: 10, call: 10 }]), 1), [text]);
});

Deno.test("queues of one device that name two devices contradict each other", () => {
  const heap = heapWith(
    [0x2000, { index: 0, kick: 10 }],
    [0x2000 + STRIDE, { index: 1, kick: 11, vdev: VDEV + 0x1000n }],
  );
  assertEquals(search(heap), [
    "ambiguous: blk0:1 contradicts it about the device",
    "ambiguous: blk0:0 contradicts it about the device",
  ]);
});

Deno.test("a guest that fills memory with copies ends the search, with a refusal", () => {
  const heap = heapWith([0x2000, { index: 0, kick: 10 }]);
  for (let at = 0x10000; at < 0x20000; at += 64) heap.copyWithin(at, 0x2010, 0x2028);
  assertEquals(search(heap, 1), ["ambiguous: too many copies of addresses"]);
});

Deno.test("fds that are no eventfds, and other queues' structs, are not found", () => {
  const none = ["no struct VirtQueue with this queue's addresses found"];
  assertEquals(search(heapWith([0x2000, { index: 0, kick: 9 }]), 1), none);
  assertEquals(search(heapWith([0x2000, { index: 5, kick: 10 }]), 1), none);
  assertEquals(search(new Uint8Array(SIZE), 1), none);
});

function kickOf(sys: Sys) {
  const [device] = devices(1);
  const target = { pid: 42, devices: [device], device, queue: device.queues[0] };
  return ioeventfdKick(sys, target, "kick");
}

Deno.test("one write, after everything was checked again", async () => {
  const { sys, written } = qemu(heapWith([0x2000, { index: 0, kick: 10 }]));
  const kick = kickOf(sys);
  assertEquals(kick.possible, true);
  const { evidence } = await kick.send();
  assertEquals(written, [10]);
  assertEquals(evidence[0], "eventfd 10 of QEMU 42 (VirtQueue at 0x502000): counter 0, 1 added");
});

Deno.test("a QEMU that changed between look-up and write is not written to", async () => {
  const heap = heapWith([0x2000, { index: 0, kick: 10 }]);
  const { sys, written } = qemu(heap);
  const kick = kickOf(sys);
  assertEquals(kick.possible, true);
  put(heap, 0x2000, { index: 0, kick: 11 });
  const error = await assertRejects(() => kick.send()) as Error;
  assertEquals([error.name, written], ["SourceError", []]);
});

Deno.test("an eventfd that nobody reads is said to be untaken", async () => {
  const { sys, written } = qemu(heapWith([0x2000, { index: 0, kick: 10 }]), 3);
  const { evidence } = await kickOf(sys).send();
  assertEquals(written, [10]);
  assertEquals(/^counter still 3 after \d+ ms: QEMU has not taken it$/.test(evidence[1]), true);
});
