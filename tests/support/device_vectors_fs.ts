/** File system chains: FUSE messages as `linux/fuse.h` lays them out. */
import type { Vector } from "./device_vectors.ts";

const FUSE_IDS = "e8030000 e8030000 07000000 0000 0000";
const ATTR = "2a00000000000000 0010000000000000 0800000000000000 0100000000000000" +
  "0200000000000000 0300000000000000 00000000 00000000 00000000 a4810000 01000000" +
  "e8030000 e8030000 00000000 00100000 00000000";

export const FS: readonly Vector[] = [
  {
    device: "fs",
    queue: 1,
    out: `2d000000 01000000 0600000000000000 0100000000000000 ${FUSE_IDS} 6574632f00`,
    in: "10000000 feffffff 0600000000000000",
    type: "LOOKUP",
    summary: 'LOOKUP node 1 "etc/": ENOENT',
    fields: { name: "etc/", nodeid: "0x1", unique: "0x6", uid: 1000, error: "ENOENT" },
    needs: 40,
  },
  {
    device: "fs",
    queue: 1,
    out: `2e000000 01000000 0800000000000000 0100000000000000 ${FUSE_IDS} 68656c6c6f00`,
    in: "90000000 00000000 0800000000000000 2a00000000000000 0000000000000000" +
      `0100000000000000 0100000000000000 00000000 00000000 ${ATTR}`,
    type: "LOOKUP",
    summary: 'LOOKUP node 1 "hello": OK',
    fields: {
      error: "OK",
      reply: {
        nodeid: "0x2a",
        generation: "0x0",
        entryValid: 1,
        attrValid: 1,
        entryValidNsec: 0,
        attrValidNsec: 0,
        attr: {
          ino: "0x2a",
          size: 4096,
          blocks: 8,
          atime: 1,
          mtime: 2,
          ctime: 3,
          atimensec: 0,
          mtimensec: 0,
          ctimensec: 0,
          mode: "0100644",
          nlink: 1,
          uid: 1000,
          gid: 1000,
          rdev: 0,
          blksize: 4096,
          flags: 0,
        },
      },
    },
    needs: 40,
    replyNeeds: 16,
  },
  {
    device: "fs",
    queue: 2,
    out: `50000000 0f000000 0a00000000000000 2a00000000000000 ${FUSE_IDS}` +
      "0300000000000000 0010000000000000 00000200 00000000 0000000000000000 00800000 00000000",
    in: "10100000 00000000 0a00000000000000 cc*131072",
    written: 4112,
    type: "READ",
    summary: "READ node 42 fh 0x3 offset 4096 size 131072: OK 4096 bytes",
    fields: { fh: "0x3", offset: "0x1000", size: 131072, replyLen: 4112 },
    replyNeeds: 16,
  },
  {
    device: "fs",
    queue: 1,
    out: `54000000 10000000 0c00000000000000 2a00000000000000 ${FUSE_IDS}` +
      "0300000000000000 0000000000000000 04000000 00000000 0000000000000000 01800000 00000000" +
      "64617461",
    in: "18000000 00000000 0c00000000000000 04000000 00000000",
    type: "WRITE",
    summary: "WRITE node 42 fh 0x3 offset 0 size 4: OK",
    fields: { reply: { size: 4 } },
    needs: 80,
    replyNeeds: 16,
  },
  {
    device: "fs",
    queue: 1,
    out: `39000000 0c000000 0e00000000000000 0100000000000000 ${FUSE_IDS}` +
      "0500000000000000 6f6c6400 6e657700 00",
    in: "10000000 00000000 0e00000000000000",
    type: "RENAME",
    summary: 'RENAME node 1 "old" "new": OK',
    fields: { newdir: "0x5", oldname: "old", newname: "new" },
    needs: 48,
  },
  {
    device: "fs",
    queue: 1,
    out: `68000000 1a000000 0200000000000000 0000000000000000 ${FUSE_IDS}` +
      "07000000 2d000000 00000200 fbffff73 00000000 00*44",
    in: "50000000 00000000 0200000000000000 07000000 26000000 00000200 00000000 0c00 0900" +
      "00001000 01000000 0001 0000 00000000 00*28",
    type: "INIT",
    summary: "INIT: OK",
    fields: {
      major: 7,
      minor: 45,
      reply: {
        major: 7,
        minor: 38,
        maxReadahead: 131072,
        flags: 0,
        maxBackground: 12,
        congestionThreshold: 9,
        maxWrite: 1048576,
        timeGran: 1,
        maxPages: 256,
        mapAlignment: 0,
        flags2: 0,
      },
    },
    replyNeeds: 16,
  },
  {
    device: "fs",
    queue: 1,
    out:
      "00000068 0000001a 0000000000000002 0000000000000000 00000000 00000000 00000000 0000 0000" +
      "00000007 0000001f 00020000 00000000 00000000 00*44",
    in: "00000018 00000000 0000000000000002 00000007 0000001f",
    type: "INIT",
    summary: "INIT: OK",
    fields: { major: 7, minor: 31, reply: { major: 7, minor: 31 } },
    notes: ["the message is big-endian, unlike the guest"],
    replyNeeds: 16,
  },
  {
    device: "fs",
    queue: 0,
    out: `30000000 02000000 1000000000000000 2a00000000000000 ${FUSE_IDS} 0100000000000000`,
    type: "FORGET",
    summary: "FORGET node 42: no reply wanted",
    fields: { nlookup: 1 },
  },
  {
    device: "fs",
    queue: 2,
    out: `28000000 30000000 1200000000000000 2a00000000000000 ${FUSE_IDS}` +
      "0300000000000000 0000000000000000 0000200000000000 0300000000000000 0000400000000000",
    in: "10000000 daffffff 1200000000000000",
    type: "SETUPMAPPING",
    summary: "SETUPMAPPING node 42 fh 0x3: ENOSYS",
    fields: { len: "0x200000", flags: ["WRITE", "READ"], moffset: "0x400000" },
  },
  {
    device: "fs",
    queue: 1,
    out: `30000000 15000000 1400000000000000 2a00000000000000 ${FUSE_IDS}` +
      "03000000 00000000 757365722e61 00 414243",
    in: "10000000 a1ffffff 1400000000000000",
    type: "SETXATTR",
    summary: 'SETXATTR node 42 "user.a" size 3: EOPNOTSUPP',
    fields: { name: "user.a", size: 3 },
    needs: 48,
  },
  {
    device: "fs",
    queue: 1,
    features: (1n << 32n) | 1n,
    in: "28000000 04000000 0000000000000000 00*24",
    type: "STORE",
    summary: "notification STORE",
    fields: { len: 40, code: "STORE" },
    replyNeeds: 16,
  },
];
