import { assert, assertEquals } from "@std/assert";
import { packetSummary, SUMMARY_BYTES } from "../../lib/device/packet.ts";
import { hexBytes } from "../support/device_vectors.ts";

/** Addresses, ports, protocol, flags, numbers and lengths here are those that tshark 4 prints. */
const FRAMES: readonly { name: string; frame: string; line: string }[] = [
  {
    name: "ICMP echo",
    frame:
      "52550a00020252540012345608004500005400010000400162980a00020f0a0002020800000000010002 78*56",
    line: "IPv4 10.0.2.15 > 10.0.2.2 ICMP echo request id 1 seq 2",
  },
  {
    name: "ICMP unreachable",
    frame:
      "52550a00020252540012345608004500003800010000400162b40a00020f0a0002020301000000000000 78*28",
    line: "IPv4 10.0.2.15 > 10.0.2.2 ICMP destination unreachable code 1",
  },
  {
    name: "ARP request",
    frame: "ffffffffffff525400123456080600010800060400015254001234560a00020f0000000000000a000202",
    line: "ARP who has 10.0.2.2? tell 10.0.2.15",
  },
  {
    name: "ARP reply",
    frame: "52550a0002025254001234560806000108000604000252550a0002020a0002025254001234560a00020f",
    line: "ARP 10.0.2.2 is at 52:55:0a:00:02:02",
  },
  {
    name: "ARP announcement",
    frame: "ffffffffffff525400123456080600010800060400015254001234560a00020f0000000000000a00020f",
    line: "ARP announcement for 10.0.2.15",
  },
  {
    name: "TCP SYN with options",
    frame:
      "52550a00020252540012345608004500002c00010000400662bb0a00020f0a000202b26e0050000003e8000000006002faf000000000020405b4",
    line: "IPv4 10.0.2.15:45678 > 10.0.2.2:80 TCP [SYN] seq 1000 win 64240 len 0",
  },
  {
    name: "TCP in a VLAN",
    frame:
      "52550a0002025254001234568100000508004500002d00010000400662ba0a00020f0a000202b26e0016000003e90000004d5018faf00000000068656c6c6f",
    line: "VLAN 5 IPv4 10.0.2.15:45678 > 10.0.2.2:22 TCP [PSH ACK] seq 1001 ack 77 win 64240 len 5",
  },
  {
    name: "DNS in two VLANs",
    frame:
      "52550a00020252540012345688a860078100000808004500002800010000401162b40a00020f0a0002021388003500140000000000000000000000000000",
    line: "VLAN 7 VLAN 8 IPv4 10.0.2.15:5000 > 10.0.2.2:53 UDP DNS len 12",
  },
  {
    name: "DHCP",
    frame:
      "52550a00020252540012345608004500011a00010000401179d300000000ffffffff00440043010600000101060012345678 00*20 525400123456 00*202 63825363003501013d0701525400123456ff",
    line: "IPv4 0.0.0.0:68 > 255.255.255.255:67 UDP DHCP discover len 254",
  },
  {
    name: "neighbor solicitation",
    frame:
      "52550a00020252540012345686dd6000000000183afffe80000000000000505400fffe123456ff0200000000000000000001ff0000028700000000000000fe800000000000000000000000000002",
    line: "IPv6 fe80::5054:ff:fe12:3456 > ff02::1:ff00:2 ICMPv6 neighbor solicitation for fe80::2",
  },
  {
    name: "hop-by-hop options before ICMPv6",
    frame:
      "52550a00020252540012345686dd60000000002400fffe80000000000000505400fffe123456ff0200000000000000000000000000163a000502000001008f00000000000001 00*20",
    line: "IPv6 fe80::5054:ff:fe12:3456 > ff02::16 ICMPv6 multicast listener report v2",
  },
  {
    name: "a later IPv6 fragment",
    frame:
      "52550a00020252540012345686dd6000000000302cff20010db800000000000100000000000120010db8000000000001000000000001110005a800000009 79*40",
    line: "IPv6 2001:db8::1:0:0:1 > 2001:db8::1:0:0:1 UDP fragment at 1448",
  },
  {
    name: "the first IPv6 fragment",
    frame:
      "52550a00020252540012345686dd6000000000382cff00000000000000000000000000000001 00*16 11000001000000090001000200300000 79*40",
    line: "IPv6 [::1]:1 > [::]:2 UDP len 40",
  },
  {
    name: "a later IPv4 fragment",
    frame: "52550a00020252540012345608004500002c000100b9401161f70a00020f0a000202 7a*24",
    line: "IPv4 10.0.2.15 > 10.0.2.2 UDP fragment at 1480",
  },
  {
    name: "IPv4 options before TCP",
    frame:
      "52550a00020252540012345608004600002c000100004006cdb60a00020f0a000202940400000001000200000003000000045010faf000000000",
    line: "IPv4 10.0.2.15:1 > 10.0.2.2:2 TCP [ACK] seq 3 ack 4 win 64240 len 0",
  },
  {
    name: "LLDP",
    frame: "0180c200000e52540012345688cc0207045254001234560404065254000000",
    line: "LLDP 52:54:00:12:34:56 > 01:80:c2:00:00:0e",
  },
  {
    name: "LLC",
    frame: "0180c20000005254001234560026424203 00*35",
    line: "LLC 52:54:00:12:34:56 > 01:80:c2:00:00:00 length 38",
  },
  {
    name: "TCP over IPv6",
    frame:
      "52550a00020252540012345686dd60000000001406ff20010db800000000000000000000000120010db800000000000000000000000201bbc35000000005000000065011faf000000000",
    line: "IPv6 [2001:db8::1]:443 > [2001:db8::2]:50000 TCP [FIN ACK] seq 5 ack 6 win 64240 len 0",
  },
  {
    name: "SCTP",
    frame:
      "52550a00020252540012345608004500002000010000408462490a00020f0a000202717171717171717171717171",
    line: "IPv4 10.0.2.15 > 10.0.2.2 SCTP",
  },
  {
    name: "IGMP",
    frame: "52550a00020252540012345608004500001c00010000400262cf0a00020f0a0002021600f9fde0000002",
    line: "IPv4 10.0.2.15 > 10.0.2.2 IGMP",
  },
];

for (const { name, frame, line } of FRAMES) {
  Deno.test(`packet: ${name}`, () => assertEquals(packetSummary(hexBytes(frame)), line));
}

Deno.test("packet: every prefix of every frame has a summary, and short ones say so", () => {
  for (const { frame, name } of FRAMES) {
    const bytes = hexBytes(frame);
    for (let length = 0; length < bytes.length; length++) {
      const line = packetSummary(bytes.subarray(0, length), bytes.length);
      assert(!/undefined|NaN/.test(line), `${name} ${length}: ${line}`);
      if (length < 14) assertEquals(line, "truncated");
    }
  }
});

Deno.test("packet: a header cut off is truncated, not guessed", () => {
  const [ping, , , , , syn] = FRAMES.map(({ frame }) => hexBytes(frame));
  assertEquals(packetSummary(ping.subarray(0, 33), 98), "IPv4 truncated");
  assertEquals(packetSummary(ping.subarray(0, 34), 98), "IPv4 10.0.2.15 > 10.0.2.2 ICMP truncated");
  assertEquals(packetSummary(syn.subarray(0, 46), 58), "IPv4 10.0.2.15 > 10.0.2.2 TCP truncated");
});

Deno.test("packet: what IP does not say is taken from the frame's length", () => {
  const frame = hexBytes(FRAMES[5].frame);
  frame.fill(0, 16, 18);
  assertEquals(
    packetSummary(frame.subarray(0, 58), 65_058),
    "IPv4 10.0.2.15:45678 > 10.0.2.2:80 TCP [SYN] seq 1000 win 64240 len 65000",
  );
});

Deno.test("packet: headers that lie are bounded", () => {
  const ethernet = "52550a000202 525400123456 ";
  assertEquals(packetSummary(hexBytes(ethernet + "0800 41 00*40")), "IPv4 with a bad header");
  assertEquals(packetSummary(hexBytes(ethernet + "0800 65 00*40")), "IPv4 with a bad header");
  assertEquals(packetSummary(hexBytes(ethernet + "86dd 45 00*60")), "IPv6 with a bad header");
  assertEquals(
    packetSummary(hexBytes(ethernet + "8100 00058100*50")),
    "VLAN 5 ".repeat(4) +
      "ethertype 0x8100 52:54:00:12:34:56 > 52:55:0a:00:02:02",
  );
  const options = ethernet + "86dd 60000000 0100 00 40 00*31 01 00*200";
  assert(packetSummary(hexBytes(options)).startsWith("IPv6 :: > ::1 "));
});

Deno.test("packet: an unknown ethertype is a number", () => {
  assertEquals(
    packetSummary(hexBytes("ffffffffffff 525400123456 9999")),
    "ethertype 0x9999 52:54:00:12:34:56 > ff:ff:ff:ff:ff:ff",
  );
  assert(SUMMARY_BYTES >= 342, "a DHCP message's type lies within");
});
