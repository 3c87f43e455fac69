/**
 * IOMMU device: virtio 1.4, 5.13.6. The status is in a tail at the end of the writable part.
 *
 * @module
 */
import { hex } from "../address.ts";
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType, Field } from "./decoder.ts";
import {
  bounded,
  decoded,
  type Exchange,
  exchange,
  expect,
  label,
  outcome,
  plural,
  sentence,
} from "./exchange.ts";
import {
  flags,
  group,
  type Layout,
  named,
  type Names,
  pad,
  show,
  type Shown,
  u16,
  u32,
  u64,
  u8,
  when,
} from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

/** `struct virtio_iommu_req_head` and `struct virtio_iommu_req_tail`. */
const HEAD = { type: u8, reserved: pad(3) };
const TAIL = { status: u8, reserved: pad(3) };
const TAIL_SIZE = 4;

const MAP = {
  domain: u32,
  virtStart: u64,
  virtEnd: u64,
  physStart: u64,
  flags: flags(u32, ["READ", "WRITE", "MMIO"]),
};

/** Requests: what follows the head. `virtEnd` is inclusive. */
const REQUESTS: { readonly [type: number]: readonly [name: string, layout: Layout] } = {
  1: ["ATTACH", { domain: u32, endpoint: u32, flags: flags(u32, ["BYPASS"]), reserved: pad(4) }],
  2: ["DETACH", { domain: u32, endpoint: u32, reserved: pad(8) }],
  3: ["MAP", MAP],
  4: ["UNMAP", { domain: u32, virtStart: u64, virtEnd: u64, reserved: pad(4) }],
  5: ["PROBE", { endpoint: u32, reserved: pad(64) }],
};
const PROBE = 5;
const NAMES: Names = Object.fromEntries(
  Object.entries(REQUESTS).map(([type, [name]]) => [type, name]),
);

const STATUS: Names = [
  "OK",
  "IOERR",
  "UNSUPP",
  "DEVERR",
  "INVAL",
  "RANGE",
  "NOENT",
  "FAULT",
  "NOMEM",
];

/** `struct virtio_iommu_probe_property`; 12 bits of `type` count, none is the end. */
const PROPERTY = { type: u16, length: u16 };
const RESERVED_MEMORY = {
  subtype: named(u8, ["RESERVED", "MSI"]),
  reserved: pad(3),
  start: u64,
  end: u64,
};

/** `struct virtio_iommu_fault`. */
const FAULT = {
  reason: named(u8, ["UNKNOWN", "DOMAIN", "MAPPING"]),
  reserved: pad(3),
  flags: flags(u32, { 0: "READ", 1: "WRITE", 8: "ADDRESS" }),
  endpoint: u32,
  reserved1: pad(4),
  address: u64,
};

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  return context.queue === 1 ? decodeFault(x) : decodeRequest(x);
}

function decodeRequest(x: Exchange): DecodedRequest {
  const { type } = x.request.struct("virtio_iommu_req_head", HEAD);
  const name = expect(x.notes, "type", NAMES, type) ?? "incomplete";
  const layout = REQUESTS[type ?? 0]?.[1] ?? {};
  const body = show(layout, x.request.struct(`virtio_iommu_req ${name}`, layout));
  const properties = type === PROBE && !x.pending ? propertiesOf(x) : undefined;
  const { status } = x.tail(TAIL_SIZE).struct("virtio_iommu_req_tail", TAIL);
  const result = outcome(x, "status", STATUS, status);
  return decoded("iommu", name, x, sentence([name, ...wordsOf(body)], result), {
    type: type === undefined ? undefined : name,
    ...body,
    properties,
    status: result,
  });
}

/** `domain 1 0x1000-0x1fff to 0x80000000 READ WRITE`. */
function wordsOf(body: Shown): string[] {
  const { domain, endpoint, virtStart, virtEnd, physStart } = body;
  return [
    domain === undefined ? "" : `domain ${domain}`,
    endpoint === undefined ? "" : `endpoint ${hex(endpoint as number)}`,
    virtEnd === undefined ? "" : `${virtStart}-${virtEnd}`,
    physStart === undefined ? "" : `to ${physStart}`,
    Array.isArray(body.flags) ? body.flags.join(" ") : "",
  ];
}

function propertiesOf(x: Exchange): Shown[string] {
  const part = x.reply.part(x.reply.rest - TAIL_SIZE);
  return bounded(part.rest, (): { [field: string]: Field } | undefined => {
    const { type, length } = part.rest >= 4
      ? part.struct("virtio_iommu_probe_property", PROPERTY)
      : {};
    if (type === undefined || length === undefined || (type & 0xfff) === 0) return undefined;
    const value = part.part(length);
    if ((type & 0xfff) !== 1) return { type: type & 0xfff, length };
    const memory = value.struct("virtio_iommu_probe_resv_mem", RESERVED_MEMORY);
    return { type: "RESV_MEM", ...show(RESERVED_MEMORY, memory) };
  });
}

function decodeFault(x: Exchange): DecodedRequest {
  if (x.pending) {
    return decoded("iommu", "event", x, `event buffer of ${plural(x.writable, "byte")}`, {
      bufferLength: x.writable,
    });
  }
  const fault = x.reply.struct("virtio_iommu_fault", FAULT);
  const body = show(FAULT, fault);
  const words = [
    "fault",
    body.reason !== undefined && label(body.reason as string | number),
    ...wordsOf({ endpoint: body.endpoint, flags: body.flags }),
    body.address === undefined ? "" : `at ${body.address}`,
  ];
  return decoded("iommu", "fault", x, sentence(words), body);
}

/** IOMMU device (id 23). */
export const iommu: DeviceType = {
  id: 23,
  name: "iommu",
  features: {
    0: "INPUT_RANGE",
    1: "DOMAIN_RANGE",
    2: "MAP_UNMAP",
    3: "BYPASS",
    4: "PROBE",
    5: "MMIO",
    6: "BYPASS_CONFIG",
  },
  config: {
    pageSizeMask: u64,
    inputRange: when(0, group({ start: u64, end: u64 })),
    domainRange: when(1, group({ start: u32, end: u32 })),
    probeSize: when(4, u32),
    bypass: when(6, u8),
    reserved: pad(3),
  },
  queueName: QUEUE_NAMERS.iommu,
  decode,
};
