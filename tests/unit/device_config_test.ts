import { assertEquals } from "@std/assert";
import { decodeConfig } from "../../lib/device/config_space.ts";
import { sizeOf } from "../../lib/device/kind.ts";
import { DEVICE_TYPES, deviceType, deviceTypeNamed } from "../../lib/device/registry.ts";
import { hexBytes, VERSION_1 } from "../support/device_vectors.ts";

/** Sizes that a C compiler gives the structs of Linux 7.2; net and fs have one field more in virtio 1.4. */
const SIZES: { [name: string]: number } = {
  net: 24 + 4,
  blk: 96,
  console: 12,
  balloon: 16,
  scsi: 36,
  gpu: 20,
  vsock: 8,
  crypto: 56,
  iommu: 40,
  mem: 56,
  sound: 16,
  fs: 40 + 4,
  pmem: 16,
  gpio: 8,
};

function decode(name: string, hex: string, features: bigint | null = null, bigEndian = false) {
  return decodeConfig(deviceTypeNamed(name) ?? deviceType(0), hexBytes(hex), {
    features,
    bigEndian,
  });
}

Deno.test("config: layouts are as long as the structs", () => {
  for (const { name, config } of DEVICE_TYPES) {
    if (typeof config === "object") assertEquals(sizeOf(config), SIZES[name], name);
  }
});

Deno.test("config: net", () => {
  const bytes = "525400123456 0100 0400 dc05 10270000 01 28 8000 ff010000 00000000";
  assertEquals(decode("net", bytes).fields, {
    mac: "52:54:00:12:34:56",
    status: ["LINK_UP"],
    maxVirtqueuePairs: 4,
    mtu: 1500,
    speed: 10000,
    duplex: 1,
    rssMaxKeySize: 40,
    rssMaxIndirectionTableLength: 128,
    supportedHashTypes: [
      "IPv4",
      "TCPv4",
      "UDPv4",
      "IPv6",
      "TCPv6",
      "UDPv6",
      "IP_EX",
      "TCP_EX",
      "UDP_EX",
    ],
    supportedTunnelTypes: [],
  });
});

Deno.test("config: fields without their feature are left out, missing ones are noted", () => {
  const features = VERSION_1 | 1n << 5n;
  assertEquals(decode("net", "525400123456 0100 0100", features), {
    fields: { mac: "52:54:00:12:34:56" },
    notes: [],
  });
  assertEquals(decode("net", "5254", features | 1n << 3n).notes, [
    "2 bytes: no mac, mtu",
  ]);
});

Deno.test("config: blk", () => {
  const bytes = "0000200000000000 00000000 fe000000 0000 00 00 00020000 03 01 0800 00000000 01 00" +
    "0400 ffff3f00 01000000 01000000 ffff3f00 01000000 01 000000 00*36";
  const all = decode("blk", bytes).fields;
  assertEquals(all.capacity, "0x200000");
  assertEquals(all.segMax, 254);
  assertEquals(all.blkSize, 512);
  assertEquals(all.topology, {
    physicalBlockExp: 3,
    alignmentOffset: 1,
    minIoSize: 8,
    optIoSize: 0,
  });
  assertEquals(all.writeback, 1);
  assertEquals(all.numQueues, 4);
  assertEquals(all.maxDiscardSectors, 0x3fffff);
  assertEquals(all.writeZeroesMayUnmap, 1);
  assertEquals((all.zoned as { model: string }).model, "NONE");
  assertEquals(decode("blk", bytes, VERSION_1).fields, { capacity: "0x200000" });
});

Deno.test("config: byte order of legacy devices is the guest's, but for the balloon", () => {
  assertEquals(decode("console", "0050 0019 00000000 00000000", 1n, true).fields, {
    cols: 80,
    rows: 25,
  });
  assertEquals(
    decode("console", "5000 1900 00000000 00000000", VERSION_1 | 1n, true).fields.cols,
    80,
  );
  assertEquals(decode("balloon", "00010000 80000000", 1n, true).fields, {
    numPages: 256,
    actual: 128,
  });
});

Deno.test("config: strings end where they say, however short the bytes", () => {
  assertEquals(decode("9p", "0500 736861726564").fields, { tagLen: 5, tag: "share" });
  assertEquals(decode("9p", "ffff 7368").fields, { tagLen: 65535, tag: "sh" });
  assertEquals(decode("9p", "05").fields, {});
  assertEquals(decode("fs", "6d796673 00*32 02000000").fields, {
    tag: "myfs",
    numRequestQueues: 2,
  });
});

Deno.test("config: input's selection decides on the rest", () => {
  const name = "01 00 05 00*5 4b6579626f617264 00*120";
  assertEquals(decode("input", name).fields, {
    select: "ID_NAME",
    subsel: 0,
    size: 5,
    string: "Keybo",
  });
  assertEquals(decode("input", "03 00 08 00*5 0600 2706 0100 0100").fields.ids, {
    bustype: 6,
    vendor: 0x627,
    product: 1,
    version: 1,
  });
  assertEquals(decode("input", "77 00 08 00*5 00*8").fields, { select: 0x77, subsel: 0, size: 8 });
});

Deno.test("config: scsi, gpu, iommu, mem and vsock", () => {
  assertEquals(
    decode(
      "scsi",
      "01000000 fe000000 ffff0000 80000000 10000000 60000000 20000000 0000 ff00 ff3f0000",
    )
      .fields.senseSize,
    96,
  );
  assertEquals(decode("gpu", "01000000 00000000 01000000 00000000 00000000").fields.eventsRead, [
    "DISPLAY",
  ]);
  assertEquals(
    decode(
      "iommu",
      "00f0ffffffffffff 0000000000000000 ffffffffffffffff 00000000 ffffffff 00020000 01",
    )
      .fields.inputRange,
    { start: "0x0", end: "0xffffffffffffffff" },
  );
  assertEquals(
    decode("mem", "0000200000000000 00*8 0000004001000000 00*16 0000400000000000 0000800000000000")
      .fields.pluggedSize,
    "0x400000",
  );
  assertEquals(decode("vsock", "0300000000000000").fields, { guestCid: 3 });
});

Deno.test("config: every length of every device type, never throws", () => {
  for (const type of DEVICE_TYPES) {
    for (let length = 0; length <= 140; length++) {
      const bytes = new Uint8Array(length).fill(0xff);
      const { fields } = decodeConfig(type, bytes, { features: (1n << 128n) - 1n });
      assertEquals(JSON.parse(JSON.stringify(fields)), fields);
    }
  }
  assertEquals(decodeConfig(deviceType(32), hexBytes("01")), { fields: {}, notes: [] });
});
