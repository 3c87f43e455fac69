/** Chains of the other device types. */
import type { Vector } from "./device_vectors.ts";

const VERSION_1 = 1n << 32n;

export const BALLOON: readonly Vector[] = [
  {
    device: "balloon",
    queue: 0,
    out: "00010000 01010000 ffffffff",
    type: "inflate",
    summary: "inflate 3 pages from 0x100000",
    fields: { pageCount: 3, pages: ["0x100000", "0x101000", "0xffffffff000"] },
    needs: 0,
  },
  {
    device: "balloon",
    queue: 1,
    out: "01*400",
    type: "deflate",
    summary: "deflate 100 pages from 0x1010101000",
    fields: { pageCount: 100, pages: Array(32).fill("0x1010101000") },
    needs: 0,
  },
  {
    device: "balloon",
    queue: 2,
    features: VERSION_1 | 2n,
    out: "0400 0000001000000000 0500 0000002000000000 6300 ffffffffffffffff",
    type: "stats",
    summary: "stats MEMFREE 268435456, MEMTOT 536870912, 99 0xffffffffffffffff",
    fields: {
      statCount: 3,
      stats: { MEMFREE: 268435456, MEMTOT: 536870912, 99: "0xffffffffffffffff" },
    },
    needs: 0,
  },
  {
    device: "balloon",
    queue: 2,
    features: VERSION_1 | 8n,
    out: "01000000",
    type: "free-page",
    summary: "free page hint command DONE",
    fields: { cmdId: "DONE" },
  },
  {
    device: "balloon",
    queue: 3,
    features: VERSION_1 | 2n | 32n,
    in: "00*64",
    type: "reporting",
    summary: "reports 64 free bytes",
    fields: { freeLength: 64 },
    replyNeeds: 0,
  },
];

export const RNG: readonly Vector[] = [
  {
    device: "rng",
    in: "a5*64",
    written: 16,
    type: "entropy",
    summary: "wants 64 bytes: 16 bytes given",
    fields: { wanted: 64, given: 16 },
    replyNeeds: 0,
  },
];

export const INPUT: readonly Vector[] = [
  {
    device: "input",
    queue: 0,
    in: "0200 0800 ffffffff",
    type: "REL",
    summary: "event REL REL_WHEEL -1",
    fields: { type: "REL", code: "REL_WHEEL", value: -1 },
    replyNeeds: 8,
  },
  {
    device: "input",
    queue: 1,
    out: "1100 0100 01000000",
    type: "LED",
    summary: "status LED LED_CAPSL 1",
  },
];

export const NINEP: readonly Vector[] = [
  {
    device: "9p",
    out: "15000000 64 ffff 00200000 0800 3950323030302e4c",
    in: "15000000 65 ffff 00200000 0800 3950323030302e4c",
    type: "Tversion",
    summary: "Tversion msize 8192 version 9P2000.L: Rversion",
    fields: { tag: 65535, version: "9P2000.L", reply: "Rversion", replySize: 21 },
    replyNeeds: 7,
  },
  {
    device: "9p",
    out: "19000000 6e 0100 01000000 02000000 0200 0300 657463 0100 78",
    in: "0b000000 07 0100 02000000",
    type: "Twalk",
    summary: "Twalk fid 1 newfid 2 nwname 2 wname etc/x: ENOENT",
    fields: { wname: ["etc", "x"], reply: "ENOENT" },
    replyNeeds: 11,
  },
];

const GPU_HEADER = "00000000 0000000000000000 00000000 00 000000";

export const GPU: readonly Vector[] = [
  {
    device: "gpu",
    out: `00010000 ${GPU_HEADER}`,
    in: `01110000 ${GPU_HEADER} 00000000 00000000 00050000 20030000 01000000 00000000 00*360`,
    type: "GET_DISPLAY_INFO",
    summary: "GET_DISPLAY_INFO: OK_DISPLAY_INFO",
    fields: {
      response: "OK_DISPLAY_INFO",
      scanouts: [{ index: 0, x: 0, y: 0, width: 1280, height: 800, enabled: 1, flags: 0 }],
    },
  },
  {
    device: "gpu",
    out: `06010000 01000000 0700000000000000 00000000 00 000000 03000000 02000000` +
      "0000100000000000 00100000 00000000 0000200000000000 00200000 00000000",
    in: `00110000 ${GPU_HEADER}`,
    type: "RESOURCE_ATTACH_BACKING",
    summary: "RESOURCE_ATTACH_BACKING fence 7 resource 3 2 entries: OK_NODATA",
    fields: {
      flags: ["FENCE"],
      nrEntries: 2,
      entries: [{ addr: "0x100000", length: 4096 }, { addr: "0x200000", length: 8192 }],
    },
    needs: 32,
  },
  {
    device: "gpu",
    out: `04010000 ${GPU_HEADER} 0a000000 14000000 40000000 20000000 03000000 00000000`,
    in: `03120000 ${GPU_HEADER}`,
    type: "RESOURCE_FLUSH",
    summary: "RESOURCE_FLUSH resource 3 64x32+10+20: ERR_INVALID_RESOURCE_ID",
    fields: { r: { x: 10, y: 20, width: 64, height: 32 } },
  },
  {
    device: "gpu",
    queue: 1,
    out: `01030000 ${GPU_HEADER} 00000000 64000000 c8000000 00000000 05000000 00*12`,
    type: "MOVE_CURSOR",
    summary: "MOVE_CURSOR resource 5",
    fields: { scanoutId: 0, x: 100, y: 200 },
  },
];

export const CRYPTO: readonly Vector[] = [
  {
    device: "crypto",
    queue: 1,
    queueCount: 2,
    out: "02000000 03000000 00000000 00000000 03000000 10000000 01000000 00*36 01000000 00*4" +
      " 42*16",
    in: "0500000000000000 00000000 00000000",
    type: "CIPHER_CREATE_SESSION",
    summary: "CIPHER_CREATE_SESSION AES_CBC 0x5: OK",
    fields: {
      opType: "CIPHER",
      cipherAlgo: "AES_CBC",
      keyLen: 16,
      op: "ENCRYPT",
      sessionId: "0x5",
      variableLength: 16,
    },
    needs: 68,
    replyNeeds: 12,
  },
  {
    device: "crypto",
    queue: 1,
    queueCount: 2,
    out: "02000000 03000000 00000000 00000000 02000000 02000000 03000000 10000000 02000000" +
      " 00*28 02000000 00*4",
    in: "0600000000000000 00000000 00000000",
    type: "CIPHER_CREATE_SESSION",
    summary: "CIPHER_CREATE_SESSION AES_CBC 0x6: OK",
    fields: {
      opType: "ALGORITHM_CHAINING",
      algChainOrder: "CIPHER_THEN_HASH",
      hashMode: "AUTH",
      op: "DECRYPT",
    },
    needs: 68,
    replyNeeds: 12,
  },
  {
    device: "crypto",
    queue: 0,
    queueCount: 2,
    out: "00000000 03000000 0500000000000000 01000000 00000000 10000000 40000000 40000000 00*36" +
      " 11*16 22*64",
    in: "33*64 00",
    type: "CIPHER_ENCRYPT",
    summary: "CIPHER_ENCRYPT session 0x5 64 bytes: OK",
    fields: { ivLen: 16, srcDataLen: 64, resultLength: 64, flag: ["SESSION_MODE"] },
    needs: 36,
    replyNeeds: 1,
  },
  {
    device: "crypto",
    queue: 1,
    queueCount: 2,
    out: "03000000 00000000 00000000 00000000 0500000000000000 00*48",
    in: "04",
    type: "CIPHER_DESTROY_SESSION",
    summary: "CIPHER_DESTROY_SESSION 0x5: INVSESS",
    needs: 24,
  },
];

export const IOMMU: readonly Vector[] = [
  {
    device: "iommu",
    out: "03 000000 01000000 0010000000000000 ff1f000000000000 0000008000000000 03000000",
    in: "00 000000",
    type: "MAP",
    summary: "MAP domain 1 0x1000-0x1fff to 0x80000000 READ WRITE: OK",
    fields: { physStart: "0x80000000", flags: ["READ", "WRITE"] },
  },
  {
    device: "iommu",
    out: "05 000000 08000000 00*64",
    in: "0100 1400 01 000000 0000e0fe00000000 ffffeffe00000000 00*8 00 000000",
    type: "PROBE",
    summary: "PROBE endpoint 0x8: OK",
    fields: {
      properties: [{ type: "RESV_MEM", subtype: "MSI", start: "0xfee00000", end: "0xfeefffff" }],
    },
    replyNeeds: 4,
  },
  {
    device: "iommu",
    queue: 1,
    in: "02 000000 02010000 10000000 00000000 00f0ffff00000000",
    type: "fault",
    summary: "fault MAPPING endpoint 0x10 WRITE ADDRESS at 0xfffff000",
    fields: { flags: ["WRITE", "ADDRESS"] },
  },
];

export const MEM: readonly Vector[] = [
  {
    device: "mem",
    out: "0000 000000000000 0000004001000000 1000 000000000000",
    in: "0000 000000000000 0000",
    type: "PLUG",
    summary: "PLUG 0x140000000 16 blocks: ACK",
    fields: { addr: "0x140000000", nbBlocks: 16, response: "ACK" },
    replyNeeds: 2,
  },
  {
    device: "mem",
    out: "0300 000000000000 0000004001000000 0100 000000000000",
    in: "0000 000000000000 0200",
    type: "STATE",
    summary: "STATE 0x140000000 1 block: ACK MIXED",
    fields: { state: "MIXED" },
  },
  {
    device: "mem",
    out: "0200 000000000000 00*16",
    in: "0200 000000000000 0000",
    type: "UNPLUG_ALL",
    summary: "UNPLUG_ALL: BUSY",
    needs: 8,
    replyNeeds: 2,
  },
];

export const SOUND: readonly Vector[] = [
  {
    device: "sound",
    queue: 0,
    out: "01010000 00000000 00400000 00100000 00000000 02 05 07 00",
    in: "00800000",
    type: "PCM_SET_PARAMS",
    summary: "PCM_SET_PARAMS stream 0 S16 48000 Hz 2 channels: OK",
    fields: { bufferBytes: 16384, periodBytes: 4096 },
  },
  {
    device: "sound",
    queue: 2,
    out: "01000000 7f*4096",
    in: "00800000 00100000",
    type: "tx",
    summary: "tx stream 1 4096 bytes: OK",
    fields: { streamId: 1, latencyBytes: 4096 },
    needs: 4,
  },
  {
    device: "sound",
    queue: 3,
    out: "01000000",
    in: "7f*256 03800000 00000000",
    type: "rx",
    summary: "rx stream 1 256 bytes: IO_ERR",
    replyNeeds: 8,
  },
  {
    device: "sound",
    queue: 1,
    in: "01110000 02000000",
    type: "PCM_XRUN",
    summary: "PCM_XRUN 2",
  },
];

export const I2C: readonly Vector[] = [
  {
    device: "i2c",
    out: "a000 0000 02000000",
    in: "deadbeef 00",
    type: "read",
    summary: "read address 0x50 4 bytes: OK",
    fields: { addr: "0x50", flags: ["M_RD"], data: "deadbeef" },
    replyNeeds: 1,
  },
  {
    device: "i2c",
    out: "f4a5 0000 01000000 1234",
    in: "01",
    type: "write",
    summary: "write address 0x2a5 2 bytes: ERR",
    fields: { flags: ["FAIL_NEXT"], data: "1234" },
    needs: 8,
  },
];

export const GPIO: readonly Vector[] = [
  {
    device: "gpio",
    out: "0200 0300 00000000",
    in: "00 02",
    type: "GET_DIRECTION",
    summary: "GET_DIRECTION line 3: OK IN",
  },
  {
    device: "gpio",
    out: "0600 0300 08000000",
    in: "00 00",
    type: "SET_IRQ_TYPE",
    summary: "SET_IRQ_TYPE line 3 LEVEL_LOW: OK",
    replyNeeds: 1,
  },
  {
    device: "gpio",
    out: "0100 0000 00000000",
    in: "00 4d4d4300 00 52656400",
    type: "GET_LINE_NAMES",
    summary: "GET_LINE_NAMES: OK",
    fields: { lineNames: ["MMC", "", "Red"] },
    replyNeeds: 1,
  },
  {
    device: "gpio",
    queue: 1,
    state: "inflight",
    out: "0500",
    in: "00",
    type: "interrupt",
    summary: "interrupt line 5: pending",
    replyNeeds: 0,
  },
];
