/** Registers of each transport: what is read, in which order, and what may never be touched. */
import { assertEquals } from "@std/assert";
import { ccwType, isCcwAddress } from "../../lib/transport/ccw.ts";
import { COMMON, readCommonConfig, readQueueNotify } from "../../lib/transport/common_config.ts";
import { LEGACY, legacyConfigOffset, readLegacyPci } from "../../lib/transport/legacy_pci.ts";
import { MMIO, MMIO_MAGIC, readMmio, readMmioRegions } from "../../lib/transport/mmio_registers.ts";
import { notificationData, notifyOffset, notifyWrite } from "../../lib/transport/notify.ts";
import { PROPOSAL_2010, readProposal2010 } from "../../lib/transport/proposal_2010.ts";
import { registerBank } from "../support/register_bank.ts";

const NOTIFICATION_DATA = 1n << 38n;
const NOTIF_CONFIG_DATA = 1n << 39n;

Deno.test("reading the common configuration writes nothing", () => {
  const bank = registerBank(64);
  bank.view.setUint16(COMMON.numQueues, 3, true);
  bank.view.setUint8(COMMON.deviceStatus, 15);
  bank.view.setUint8(COMMON.configGeneration, 9);
  bank.view.setUint16(COMMON.queueSelect, 2, true);
  assertEquals(readCommonConfig(bank), { numQueues: 3, status: 15, generation: 9, selected: 2 });
  assertEquals(bank.log, ["r16@18", "r8@20", "r8@21", "r16@22"]);
  assertEquals(readCommonConfig(registerBank(40)), null);
});

/** queue_size, queue_notify_off and queue_notif_config_data behind queue_select. */
function queueBank(length: number) {
  const bank = registerBank(length, (offset, queue, view) => {
    if (offset !== COMMON.queueSelect) return;
    view.setUint16(COMMON.queueSize, queue < 4 ? 256 : 0, true);
    view.setUint16(COMMON.queueNotifyOff, queue * 2, true);
    view.setBigUint64(COMMON.queueDesc, 0x1_2340_0000n + BigInt(queue << 16), true);
    view.setBigUint64(COMMON.queueDriver, 0x2_2340_0000n + BigInt(queue << 16), true);
    if (length >= 58) view.setUint16(COMMON.queueNotifConfigData, 0x100 + queue, true);
  });
  bank.write(COMMON.queueSelect, 16, 1);
  bank.log.length = 0;
  return bank;
}

Deno.test("a queue's notify registers are read with the driver's selection put back", () => {
  const bank = queueBank(64);
  const third = { size: 256, notifyOff: 6, configData: 0x103 };
  const areas = { descriptor: 0x1_2343_0000n, driver: 0x2_2343_0000n };
  assertEquals(readQueueNotify(bank, 3), { ...third, ...areas });
  const reads = ["r16@24", "r16@30", "r16@56", "r32@32", "r32@36", "r32@40", "r32@44"];
  assertEquals(bank.log, ["r16@22", "w16@22=3", ...reads, "w16@22=1"]);
  bank.log.length = 0;
  readQueueNotify(bank, 1);
  assertEquals(bank.log, ["r16@22", ...reads], "already selected");
  // Firecracker's structure ends at 56, as in virtio 1.1.
  const { size, notifyOff, configData } = readQueueNotify(queueBank(56), 9);
  assertEquals([size, notifyOff, configData], [0, 18, null]);
});

Deno.test("what is written to notify, by the features", () => {
  const queue = { index: 2, configData: 0x77, next: null, format: "split" } as const;
  assertEquals(notifyWrite(queue, 0n, "pci"), { value: 2, width: 16 });
  assertEquals(notifyWrite(queue, 0n, "mmio"), { value: 2, width: 32 });
  assertEquals(notifyWrite(queue, NOTIF_CONFIG_DATA, "pci"), { value: 0x77, width: 16 });
  const blind = notifyWrite(queue, NOTIFICATION_DATA, "pci");
  assertEquals(
    blind,
    "NOTIFICATION_DATA is negotiated, and the driver's position is not known here",
  );
  const next = { index: 0x8123, wrap: false };
  const data = notifyWrite({ ...queue, next }, NOTIFICATION_DATA, "pci");
  assertEquals(data, { value: 0x8123_0002, width: 32 });
  const both = notifyWrite({ ...queue, next }, NOTIFICATION_DATA | NOTIF_CONFIG_DATA, "pci");
  assertEquals(both, { value: 0x8123_0077, width: 32 });
  const unread = notifyWrite({ ...queue, configData: null }, NOTIF_CONFIG_DATA, "pci");
  assertEquals(typeof unread, "string");
});

Deno.test("notification data: split has the whole available index, packed slot and wrap", () => {
  assertEquals(notificationData(1, { index: 0x7fff, wrap: true }, "split"), 0x7fff_0001);
  assertEquals(notificationData(1, { index: 0xffff, wrap: false }, "split"), 0xffff_0001);
  assertEquals(notificationData(1, { index: 5, wrap: true }, "packed"), 0x8005_0001);
  assertEquals(notificationData(0xffff, { index: 0, wrap: false }, "packed"), 0xffff);
});

Deno.test("notify offsets stay within the capability", () => {
  const area = { offset: 0x3000n, length: 0x1000n, multiplier: 4 };
  assertEquals(notifyOffset(area, 5, 16), 0x3014n);
  assertEquals(notifyOffset(area, 0x3ff, 32), 0x3ffcn);
  assertEquals(typeof notifyOffset(area, 0x400, 16), "string");
  assertEquals(notifyOffset({ ...area, multiplier: 0 }, 65535, 16), 0x3000n);
  assertEquals(typeof notifyOffset({ ...area, multiplier: 0, length: 2n }, 0, 32), "string");
  const odd = "notification address 0x3002 is no multiple of 4";
  assertEquals(notifyOffset({ ...area, multiplier: 2 }, 1, 32), odd);
  assertEquals(notifyOffset({ ...area, multiplier: 2 }, 1, 16), 0x3002n);
});

Deno.test("legacy ports: queue address, and never the ISR", () => {
  const bank = registerBank(32);
  bank.view.setUint32(LEGACY.queuePfn, 0x1234, true);
  bank.view.setUint16(LEGACY.queueNum, 128, true);
  bank.view.setUint8(LEGACY.status, 7);
  const legacy = readLegacyPci(bank);
  assertEquals([legacy.queueAddress, legacy.queueSize, legacy.status], [0x1234000n, 128, 7]);
  assertEquals(bank.log.filter((line) => line.startsWith("w") || line === "r8@19"), []);
  assertEquals([legacyConfigOffset(true), legacyConfigOffset(false)], [24, 20]);
  assertEquals(readLegacyPci(registerBank(32)).queueAddress, null);
});

/** An MMIO device with regions by id. */
function mmioBank(regions: Record<number, [length: bigint, base: bigint]>) {
  const bank = registerBank(0x200, (offset, id, view) => {
    if (offset !== MMIO.sharedMemorySelect) return;
    const [length, base] = regions[id] ?? [2n ** 64n - 1n, 2n ** 64n - 1n];
    view.setBigUint64(MMIO.sharedMemoryLength, length, true);
    view.setBigUint64(MMIO.sharedMemoryBase, base, true);
  });
  bank.view.setUint32(MMIO.magic, MMIO_MAGIC, true);
  bank.view.setUint32(MMIO.version, 2, true);
  bank.view.setUint32(MMIO.deviceId, 26, true);
  bank.view.setUint32(MMIO.vendorId, 0x554d4551, true);
  bank.view.setUint32(MMIO.status, 15, true);
  return bank;
}

Deno.test("an MMIO transport is read without a write, and refused when it is none", () => {
  const bank = mmioBank({});
  const device = readMmio(bank);
  assertEquals(device, {
    version: 2,
    type: 26,
    vendor: 0x554d4551,
    status: 15,
    interruptStatus: 0,
    generation: 0,
  });
  assertEquals(bank.log.filter((line) => line.startsWith("w")), []);
  bank.view.setUint32(MMIO.version, 1, true);
  assertEquals((readMmio(bank) as { generation: null }).generation, null);
  bank.view.setUint32(MMIO.version, 3, true);
  assertEquals(readMmio(bank), "version 3 is not known");
  bank.view.setUint32(MMIO.magic, 0, true);
  assertEquals(readMmio(bank), "no virtio: magic value is 0x0");
  assertEquals(readMmio(registerBank(0x80)), "only 128 bytes of registers");
});

Deno.test("MMIO shared memory: by id, 64 bits wide, missing ones all ones", () => {
  const bank = mmioBank({
    0: [0x2_0000_0000n, 0x10_0000_0000n],
    7: [0n, 0x1000n],
    255: [4096n, 2n ** 64n - 1n],
  });
  const { regions, notes } = readMmioRegions(bank);
  const place = { kind: "guest", address: 0x10_0000_0000n } as const;
  assertEquals(regions, [{ id: 0, length: 0x2_0000_0000n, place }]);
  assertEquals(notes, [
    "shared memory region 7: is empty",
    "shared memory region 255: 0xffffffffffffffff+0x1000 wraps",
  ]);
  assertEquals(bank.log.slice(0, 5), ["w32@172=0", "r32@176", "r32@180", "r32@184", "r32@188"]);
  assertEquals(readMmioRegions(registerBank(0x90)), { regions: [], notes: [] });
});

Deno.test("the proposal of 2010: regions are selected like queues", () => {
  const sizes = [0x100000, 0, 0x2000];
  const frames = [0xf0000, 0x5, 0];
  const bank = registerBank(64, (offset, region, view) => {
    if (offset !== PROPOSAL_2010.memSelect) return;
    view.setUint32(PROPOSAL_2010.memSize, sizes[region] ?? 0, true);
    view.setUint32(PROPOSAL_2010.memPfn, frames[region] ?? 0, true);
  });
  bank.view.setUint32(PROPOSAL_2010.memSelect, 9, true);
  const { regions, notes } = readProposal2010(bank);
  // Region 1 has no size, region 2 was not mapped by the guest.
  const place = { kind: "guest", address: 0xf000_0000n } as const;
  assertEquals(regions, [{ id: 0, length: 0x100000n, place }]);
  assertEquals(notes, []);
  assertEquals(bank.view.getUint32(PROPOSAL_2010.memSelect, true), 9, "the selection is put back");
  assertEquals(bank.log.filter((line) => line.startsWith("w")).length, 17);
  assertEquals(readProposal2010(registerBank(24)).notes.length, 1);
});

Deno.test("channel-attached ids", () => {
  assertEquals([ccwType("3832/02"), ccwType("3832/1a\n")], [2, 26]);
  assertEquals([ccwType("3390/0c"), ccwType(""), ccwType("3832/2")], [null, null, null]);
  assertEquals(["0.0.0001", "fe.3.ffff", "0000:00:01.0", "0.4.0001"].map(isCcwAddress), [
    true,
    true,
    false,
    false,
  ]);
});
