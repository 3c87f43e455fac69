/**
 * Commands of the network device's control queue: virtio 1.4, 5.1.9.5.
 *
 * @module
 */
import type { DecodedRequest } from "./decoder.ts";
import { bounded, decoded, type Exchange, outcome, sentence } from "./exchange.ts";
import {
  countOf,
  flags,
  type Layout,
  mac,
  named,
  nameOf,
  type Names,
  pad,
  show,
  type Shown,
  u16,
  u32,
  u64,
  u8,
} from "./kind.ts";

/** Bits of `hash_types` (5.1.9.4.3). */
export const HASH_TYPES: Names = [
  "IPv4",
  "TCPv4",
  "UDPv4",
  "IPv6",
  "TCPv6",
  "UDPv6",
  "IP_EX",
  "TCP_EX",
  "UDP_EX",
];

/** Bits of `supported_tunnel_types`. */
export const TUNNEL_TYPES: Names = [
  "GRE_2784",
  "GRE_2890",
  "GRE_7676",
  "GRE_UDP",
  "VXLAN",
  "VXLAN_GPE",
  "GENEVE",
  "IPIP",
  "NVGRE",
];

const CLASSES: Names = [
  "RX",
  "MAC",
  "VLAN",
  "ANNOUNCE",
  "MQ",
  "GUEST_OFFLOADS",
  "NOTF_COAL",
  "HASH_TUNNEL",
  "STATS",
  "RSS_CTX",
];

const ON = { on: u8 };
const VLAN = { vlan: u16 };
const COALESCE = { maxPackets: u32, maxUsecs: u32 };
const COALESCE_QUEUE = { vqIndex: u16, reserved: pad(2), ...COALESCE };
const HASH = { hashTypes: flags(u32, HASH_TYPES), reserved: pad(8), hashKeyLength: u8 };
const RSS = {
  hashTypes: flags(u32, HASH_TYPES),
  indirectionTableMask: u16,
  unclassifiedQueue: u16,
};
const STATS_QUERY = { vqIndex: u16, reserved: pad(6), typesBitmap: u64 };

/** Bits of the offloads that a driver can change at run time. */
const OFFLOADS: { readonly [bit: number]: string } = {
  1: "GUEST_CSUM",
  7: "GUEST_TSO4",
  8: "GUEST_TSO6",
  9: "GUEST_ECN",
  10: "GUEST_UFO",
  46: "GUEST_UDP_TUNNEL_GSO",
  47: "GUEST_UDP_TUNNEL_GSO_CSUM",
  54: "GUEST_USO4",
  55: "GUEST_USO6",
};

const STATS_REPLY = {
  type: named(u8, {
    0: "RX_BASIC",
    1: "RX_CSUM",
    2: "RX_GSO",
    3: "RX_SPEED",
    16: "TX_BASIC",
    17: "TX_CSUM",
    18: "TX_GSO",
    19: "TX_SPEED",
    32: "CVQ",
  }),
  reserved: pad(1),
  vqIndex: u16,
  reserved1: pad(2),
  size: u16,
};

type Body = (x: Exchange) => Shown;
type Command = readonly [name: string, body: Body];

const none: Body = () => ({});

/** Commands by class and command number. */
const COMMANDS: { readonly [cls: number]: readonly Command[] } = {
  0: ["PROMISC", "ALLMULTI", "ALLUNI", "NOMULTI", "NOUNI", "NOBCAST"]
    .map((name) => [`RX_${name}`, request("virtio_net_ctrl_rx", ON)] as const),
  1: [
    ["MAC_TABLE_SET", macTables],
    ["MAC_ADDR_SET", request("MAC address", { mac })],
  ],
  2: [["VLAN_ADD", request("VLAN", VLAN)], ["VLAN_DEL", request("VLAN", VLAN)]],
  3: [["ANNOUNCE_ACK", none]],
  4: [
    ["MQ_VQ_PAIRS_SET", request("virtio_net_ctrl_mq_pairs_set", { virtqueuePairs: u16 })],
    ["MQ_RSS_CONFIG", rssConfig],
    ["MQ_HASH_CONFIG", request("virtio_net_hash_config", HASH)],
  ],
  5: [["GUEST_OFFLOADS_SET", offloads]],
  6: [
    ["NOTF_COAL_TX_SET", request("virtio_net_ctrl_coal", COALESCE)],
    ["NOTF_COAL_RX_SET", request("virtio_net_ctrl_coal", COALESCE)],
    ["NOTF_COAL_VQ_SET", request("virtio_net_ctrl_coal_vq", COALESCE_QUEUE)],
    ["NOTF_COAL_VQ_GET", coalesceGet],
  ],
  7: [[
    "HASH_TUNNEL_SET",
    request("virtnet_hash_tunnel", {
      enabledTunnelTypes: flags(u32, TUNNEL_TYPES),
    }),
  ]],
  8: [["STATS_QUERY", statsQuery], ["STATS_GET", statsGet]],
  9: [
    ["RSS_CTX_CAP_GET", capabilities],
    ["RSS_CTX_ADD", rssContext],
    ["RSS_CTX_MOD", rssContext],
    ["RSS_CTX_DEL", request("virtnet_rss_ctx_del", { rssCtxId: u16 })],
  ],
};

const ACK: Names = ["OK", "ERR"];

/** Decodes a chain of the control queue. */
export function decodeControl(x: Exchange): DecodedRequest {
  const header = x.request.struct("virtio_net_ctrl", { class: u8, command: u8 });
  const [name, body] = commandOf(x, header.class, header.command);
  const { ack } = x.reply.struct("ack", { ack: u8 });
  const fields = body(x);
  const result = outcome(x, "ack", ACK, ack);
  const words = Object.entries(fields).flatMap(([key, value]) =>
    typeof value === "string" || typeof value === "number" ? [`${key} ${value}`] : []
  );
  return decoded("net", name, x, sentence([name, ...words], result), {
    class: header.class === undefined ? undefined : nameOf(CLASSES, header.class),
    command: name,
    ...fields,
    ack: result,
  });
}

function commandOf(x: Exchange, cls: number | undefined, command: number | undefined): Command {
  if (cls === undefined || command === undefined) return ["incomplete", none];
  const known = COMMANDS[cls]?.[command];
  if (known === undefined) x.notes.push(`unknown command ${command} of class ${cls}`);
  return known ?? [`${nameOf(CLASSES, cls)}.${command}`, none];
}

/** A command whose data is one struct. */
function request(name: string, layout: Layout): Body {
  return (x) => show(layout, x.request.struct(name, layout));
}

/** Two tables, unicast and multicast; each a count and that many addresses. */
function macTables(x: Exchange): Shown {
  return { unicast: macTable(x), multicast: macTable(x) };
}

function macTable(x: Exchange): Shown[string] {
  const { entries } = x.request.struct("virtio_net_ctrl_mac", { entries: u32 });
  if (entries === undefined) return undefined;
  const start = x.request.offset;
  const room = Math.floor(x.request.rest / 6);
  if (entries > room) x.notes.push(`${entries} addresses announced, room for ${room}`);
  const macs = bounded(
    Math.min(entries, room),
    () => x.request.struct("virtio_net_ctrl_mac", { mac }).mac,
  );
  x.request.seek(start + entries * 6);
  return { entries, macs: macs.map((address) => mac.show(address) ?? null) };
}

function rssConfig(x: Exchange): Shown {
  const rss = x.request.struct("virtio_net_rss_config", RSS);
  if (rss.indirectionTableMask === undefined) return show(RSS, rss);
  const start = x.request.offset;
  const count = rss.indirectionTableMask + 1;
  const indirectionTable = bounded(count, () => x.request.struct("rss_rq_id", { id: u16 }).id);
  x.request.seek(start + count * 2);
  const end = { maxTxVq: u16, hashKeyLength: u8 };
  return {
    ...show(RSS, rss),
    indirectionTable,
    ...show(end, x.request.struct("virtio_net_rss_config", end)),
  };
}

function rssContext(x: Exchange): Shown {
  const layout = { rssCtxId: u16, reserved: pad(6) };
  const context = show(layout, x.request.struct("virtnet_rss_ctx_add_modify", layout));
  return { ...context, ...rssConfig(x) };
}

function offloads(x: Exchange): Shown {
  const { offloads } = x.request.struct("offloads", { offloads: u64 });
  if (offloads === undefined) return {};
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((offloads >> BigInt(bit)) & 1n) names.push(OFFLOADS[bit] ?? String(bit));
  }
  return { offloads: names };
}

/** The queue is asked for in the readable part, the values come in the writable part. */
function coalesceGet(x: Exchange): Shown {
  const asked = { vqIndex: u16, reserved: pad(2) };
  return {
    ...show(asked, x.request.struct("virtio_net_ctrl_coal_vq", asked)),
    ...show(COALESCE, x.reply.struct("virtio_net_ctrl_coal", COALESCE)),
  };
}

function capabilities(x: Exchange): Shown {
  const layout = { maxRssContexts: u16 };
  return show(layout, x.reply.struct("virtnet_rss_ctx_cap", layout));
}

function statsQuery(x: Exchange): Shown {
  const { types } = x.reply.struct("virtio_net_stats_capabilities", { types: u64 });
  return { supportedStatsTypes: types === undefined ? undefined : u64.show(types) };
}

/** Statistics of each queue asked for: a header that says its size, and 64-bit counters. */
function statsGet(x: Exchange): Shown {
  const queues = bounded(Math.floor(x.request.rest / 16), () => {
    const query = x.request.struct("virtio_net_ctrl_queue_stats", STATS_QUERY);
    return query.typesBitmap === undefined ? undefined : show(STATS_QUERY, query);
  });
  const stats = bounded(x.reply.rest, () => {
    if (x.pending || x.reply.rest === 0) return undefined;
    const header = x.reply.struct("virtio_net_stats_reply_hdr", STATS_REPLY);
    if (header.size === undefined) return undefined;
    const counters = x.reply.part(Math.max(0, header.size - 8));
    return { ...show(STATS_REPLY, header), counters: countersOf(counters) };
  });
  return { queues, stats: x.pending ? undefined : stats };
}

function countersOf(part: { rest: number; struct: Exchange["reply"]["struct"] }) {
  return bounded(Math.floor(part.rest / 8), () => {
    const { value } = part.struct("counter", { value: u64 });
    return value === undefined ? undefined : countOf(value);
  });
}
