/** Network, console and socket chains. */
import type { Vector } from "./device_vectors.ts";

const VERSION_1 = 1n << 32n;
const MRG_RXBUF = 1n << 15n;
const CTRL = VERSION_1 | 1n << 17n;

/** ICMP echo request 10.0.2.15 > 10.0.2.2, id 1, seq 2; 42 bytes and 56 of data. */
const PING = "52550a000202 525400123456 0800" +
  "45000054000100004001628b0a00020f0a000202 0800 0000 0001 0002 78*56";

/** TCP SYN to port 80. */
const SYN = "52550a000202 525400123456 0800 4500002c00010000400662ae0a00020f0a000202" +
  "b26e0050 000003e8 00000000 6002faf0 00000000 020405b4";

export const NET: readonly Vector[] = [
  {
    device: "net",
    queue: 1,
    out: `00 00 0000 0000 0000 0000 0000 ${PING}`,
    type: "tx",
    summary: "tx 98 bytes: IPv4 10.0.2.15 > 10.0.2.2 ICMP echo request id 1 seq 2",
    fields: { headerLength: 12, frameLength: 98, flags: [], gsoType: "NONE", numBuffers: 0 },
    needs: 12,
  },
  {
    device: "net",
    queue: 1,
    features: 0n,
    out: `01 81 3600 a805 2200 1000 ${SYN}`,
    type: "tx",
    summary: "tx 58 bytes: IPv4 10.0.2.15:45678 > 10.0.2.2:80 TCP [SYN] seq 1000 win 64240 len 0 " +
      "[GSO TCPV4+ECN 1448] [needs checksum]",
    fields: {
      headerLength: 10,
      flags: ["NEEDS_CSUM"],
      gsoType: "TCPV4+ECN",
      hdrLen: 54,
      gsoSize: 1448,
      csumStart: 34,
      csumOffset: 16,
      numBuffers: undefined,
    },
    needs: 10,
  },
  {
    device: "net",
    queue: 0,
    features: VERSION_1 | MRG_RXBUF | 1n << 57n,
    in: `02 00 0000 0000 0000 0000 0300 78563412 0200 0000 ${SYN} 00*942`,
    written: 78,
    type: "rx",
    summary: "rx 58 bytes in 3 buffers: IPv4 10.0.2.15:45678 > 10.0.2.2:80 TCP [SYN] seq 1000 " +
      "win 64240 len 0",
    fields: {
      headerLength: 20,
      numBuffers: 3,
      hashValue: 0x12345678,
      hashReport: "TCPv4",
      flags: ["DATA_VALID"],
    },
    replyNeeds: 20,
  },
  {
    device: "net",
    queue: 0,
    features: VERSION_1 | 1n << 65n,
    in: `08 64 0000 0000 0000 0000 0100 00000000 0000 0000 2200 3a00 ${SYN}`,
    type: "rx",
    summary: "rx 58 bytes: IPv4 10.0.2.15:45678 > 10.0.2.2:80 TCP [SYN] seq 1000 win 64240 len 0 " +
      "[GSO TCPV6+TUNNEL_IPV4+TUNNEL_IPV6 0]",
    fields: {
      headerLength: 24,
      outerThOffset: 34,
      innerNhOffset: 58,
      hashValue: undefined,
      flags: ["UDP_TUNNEL_CSUM"],
    },
    notes: [],
    replyNeeds: 24,
  },
  {
    device: "net",
    queue: 1,
    features: VERSION_1 | 1n << 70n,
    out: `10 00 0000 0000 0000 0000 0000 00000000 0000 0000 0000 0000 0e00 07000000 0200 ${PING}`,
    type: "tx",
    summary: "tx 98 bytes: IPv4 10.0.2.15 > 10.0.2.2 ICMP echo request id 1 seq 2",
    fields: {
      headerLength: 32,
      flags: ["SECURITY"],
      outerNhOffset: undefined,
      resourceId: 7,
      resourceType: 2,
    },
    needs: 32,
  },
  {
    device: "net",
    queue: 0,
    state: "available",
    in: "00*1526",
    type: "rx",
    summary: "receive buffer of 1526 bytes",
    replyNeeds: 0,
  },
  {
    device: "net",
    queue: 0,
    features: VERSION_1 | MRG_RXBUF,
    in: "ff ff 0000 0000 0000 0000 0000 00*20",
    type: "rx",
    summary: "rx 20 bytes: LLC 00:00:00:00:00:00 > 00:00:00:00:00:00 length 0 " +
      "[GSO 255 0] [needs checksum]",
    notes: ["not a plausible virtio_net_hdr: perhaps this continues a merged packet"],
  },
  {
    device: "net",
    queue: 2,
    features: CTRL,
    out: "00 00 01",
    in: "00",
    type: "RX_PROMISC",
    summary: "RX_PROMISC on 1: OK",
    fields: { class: "RX", ack: "OK" },
  },
  {
    device: "net",
    queue: 2,
    features: CTRL,
    out: "01 00 01000000 525400123456 02000000 01005e000001 333300000001",
    in: "01",
    type: "MAC_TABLE_SET",
    summary: "MAC_TABLE_SET: ERR",
    fields: {
      unicast: { entries: 1, macs: ["52:54:00:12:34:56"] },
      multicast: { entries: 2, macs: ["01:00:5e:00:00:01", "33:33:00:00:00:01"] },
    },
  },
  {
    device: "net",
    queue: 4,
    queueCount: 5,
    features: CTRL | 1n << 22n,
    out: "04 00 0200",
    in: "00",
    type: "MQ_VQ_PAIRS_SET",
    summary: "MQ_VQ_PAIRS_SET virtqueuePairs 2: OK",
    fields: { virtqueuePairs: 2 },
  },
  {
    device: "net",
    queue: 2,
    features: CTRL,
    out: "04 01 13000000 0300 0000 0000 0100 0000 0100 0200 02 abcd",
    in: "00",
    type: "MQ_RSS_CONFIG",
    summary:
      "MQ_RSS_CONFIG indirectionTableMask 3 unclassifiedQueue 0 maxTxVq 2 hashKeyLength 2: OK",
    fields: { hashTypes: ["IPv4", "TCPv4", "TCPv6"], indirectionTable: [0, 1, 0, 1] },
    needs: 19,
  },
  {
    device: "net",
    queue: 2,
    features: CTRL,
    out: "05 00 8201000000000000",
    in: "00",
    type: "GUEST_OFFLOADS_SET",
    summary: "GUEST_OFFLOADS_SET: OK",
    fields: { offloads: ["GUEST_CSUM", "GUEST_TSO4", "GUEST_TSO6"] },
  },
  {
    device: "net",
    queue: 2,
    features: CTRL,
    out: "06 03 0300 0000",
    in: "00 20000000 40000000",
    type: "NOTF_COAL_VQ_GET",
    summary: "NOTF_COAL_VQ_GET vqIndex 3 maxPackets 32 maxUsecs 64: OK",
  },
  {
    device: "net",
    queue: 2,
    features: CTRL,
    out: "08 01 0000 000000000000 0100000000000000",
    in: "00 00 00 0000 0000 3800 0100000000000000 0200000000000000 0300000000000000" +
      "0400000000000000 0500000000000000 0600000000000000",
    type: "STATS_GET",
    summary: "STATS_GET: OK",
    fields: {
      stats: [{ type: "RX_BASIC", vqIndex: 0, size: 56, counters: [1, 2, 3, 4, 5, 6] }],
    },
    needs: 2,
    replyNeeds: 1,
  },
  {
    device: "net",
    queue: 2,
    features: CTRL,
    out: "07 05",
    in: "01",
    type: "HASH_TUNNEL.5",
    summary: "HASH_TUNNEL.5: ERR",
    notes: ["unknown command 5 of class 7"],
  },
];

export const CONSOLE: readonly Vector[] = [
  {
    device: "console",
    queue: 1,
    out: "68766330207469636b20380a",
    type: "tx",
    summary: 'tx port 0, 12 bytes: "hvc0 tick 8\n"',
    fields: { port: 0, length: 12, text: "hvc0 tick 8\n" },
    needs: 0,
  },
  {
    device: "console",
    queue: 4,
    features: VERSION_1 | 2n,
    in: "1b5b324a fffe 00*58",
    written: 6,
    type: "rx",
    summary: 'rx port 1, 6 bytes: "\x1b[2J\ufffd\ufffd"',
    replyNeeds: 0,
  },
  {
    device: "console",
    queue: 3,
    features: VERSION_1 | 2n,
    out: "ffffffff 0000 0100",
    type: "DEVICE_READY",
    summary: "DEVICE_READY port 4294967295 value 1",
    fields: { id: 4294967295, event: "DEVICE_READY", value: 1 },
  },
  {
    device: "console",
    queue: 2,
    features: VERSION_1 | 2n,
    in: "01000000 0700 0100 6f72672e71656d75",
    type: "PORT_NAME",
    summary: "PORT_NAME port 1 value 1 name org.qemu",
    fields: { name: "org.qemu" },
    replyNeeds: 8,
  },
  {
    device: "console",
    queue: 2,
    features: VERSION_1 | 2n,
    in: "00000000 0500 0000 5000 1900",
    type: "RESIZE",
    summary: "RESIZE port 0 value 0 cols 80 rows 25",
    fields: { cols: 80, rows: 25 },
    notes: ["Linux before 2025 takes the first number of a resize as rows"],
  },
];

export const VSOCK: readonly Vector[] = [
  {
    device: "vsock",
    queue: 1,
    out: "0300000000000000 0200000000000000 00040000 d2040000 05000000 0100 0500 00000000" +
      "00000400 00000000 68656c6c6f",
    type: "RW",
    summary: "tx 3:1024 > host:1234 RW 5 bytes",
    fields: {
      srcCid: 3,
      dstCid: "host",
      type: "STREAM",
      op: "RW",
      bufAlloc: 262144,
      data: "hello",
    },
  },
  {
    device: "vsock",
    queue: 0,
    in: "0200000000000000 0300000000000000 d2040000 00040000 00000000 0200 0400 03000000" +
      "00000000 05000000",
    type: "SHUTDOWN",
    summary: "rx host:1234 > 3:1024 SHUTDOWN [RECEIVE SEND]",
    fields: { type: "SEQPACKET", flags: ["RECEIVE", "SEND"], fwdCnt: 5 },
  },
  {
    device: "vsock",
    queue: 2,
    in: "00000000",
    type: "TRANSPORT_RESET",
    summary: "event TRANSPORT_RESET",
  },
];
