/**
 * Feature and status bits out of the names by which QEMU's x-query-virtio-status tells them.
 *
 * QEMU writes `NAME: description` per bit (QEMU, hw/virtio/virtio-qmp.c), the names being those of
 * Linux's headers; bits without a name come as a number. Bit numbers: virtio 1.4, chapters 5 and 6,
 * and Linux include/uapi/linux/{virtio_*,vhost_types}.h for the ones that only vhost has.
 *
 * @module
 */
import { isRecord } from "./message.ts";

/** A mask read from names, and the names that this table does not have. */
export interface NamedBits {
  readonly bits: bigint;
  readonly unknown: readonly string[];
}

/** Prefix of a group's names → the rest of each name → bit. */
const GROUPS: Record<string, Record<string, number>> = {
  VIRTIO_F_: {
    NOTIFY_ON_EMPTY: 24,
    ANY_LAYOUT: 27,
    VERSION_1: 32,
    IOMMU_PLATFORM: 33,
    ACCESS_PLATFORM: 33,
    RING_PACKED: 34,
    IN_ORDER: 35,
    ORDER_PLATFORM: 36,
    SR_IOV: 37,
    NOTIFICATION_DATA: 38,
    NOTIF_CONFIG_DATA: 39,
    RING_RESET: 40,
    ADMIN_VQ: 41,
  },
  VIRTIO_RING_F_: { INDIRECT_DESC: 28, EVENT_IDX: 29 },
  VHOST_: { F_LOG_ALL: 26, NET_F_VIRTIO_NET_HDR: 27, USER_F_PROTOCOL_FEATURES: 30 },
  VIRTIO_NET_F_: {
    CSUM: 0,
    GUEST_CSUM: 1,
    CTRL_GUEST_OFFLOADS: 2,
    MTU: 3,
    MAC: 5,
    GSO: 6,
    GUEST_TSO4: 7,
    GUEST_TSO6: 8,
    GUEST_ECN: 9,
    GUEST_UFO: 10,
    HOST_TSO4: 11,
    HOST_TSO6: 12,
    HOST_ECN: 13,
    HOST_UFO: 14,
    MRG_RXBUF: 15,
    STATUS: 16,
    CTRL_VQ: 17,
    CTRL_RX: 18,
    CTRL_VLAN: 19,
    CTRL_RX_EXTRA: 20,
    GUEST_ANNOUNCE: 21,
    MQ: 22,
    CTRL_MAC_ADDR: 23,
    VQ_NOTF_COAL: 52,
    NOTF_COAL: 53,
    GUEST_USO4: 54,
    GUEST_USO6: 55,
    HOST_USO: 56,
    HASH_REPORT: 57,
    GUEST_HDRLEN: 59,
    RSS: 60,
    RSC_EXT: 61,
    STANDBY: 62,
    SPEED_DUPLEX: 63,
  },
  VIRTIO_BLK_F_: {
    BARRIER: 0,
    SIZE_MAX: 1,
    SEG_MAX: 2,
    GEOMETRY: 4,
    RO: 5,
    BLK_SIZE: 6,
    SCSI: 7,
    FLUSH: 9,
    TOPOLOGY: 10,
    CONFIG_WCE: 11,
    MQ: 12,
    DISCARD: 13,
    WRITE_ZEROES: 14,
    LIFETIME: 15,
    SECURE_ERASE: 16,
    ZONED: 17,
  },
  VIRTIO_CONSOLE_F_: { SIZE: 0, MULTIPORT: 1, EMERG_WRITE: 2 },
  VIRTIO_SCSI_F_: { INOUT: 0, HOTPLUG: 1, CHANGE: 2, T10_PI: 3 },
  VIRTIO_GPU_F_: { VIRGL: 0, EDID: 1, RESOURCE_UUID: 2, RESOURCE_BLOB: 3, CONTEXT_INIT: 4 },
  VIRTIO_BALLOON_F_: {
    MUST_TELL_HOST: 0,
    STATS_VQ: 1,
    DEFLATE_ON_OOM: 2,
    FREE_PAGE_HINT: 3,
    PAGE_POISON: 4,
    REPORTING: 5,
  },
  VIRTIO_IOMMU_F_: {
    INPUT_RANGE: 0,
    DOMAIN_RANGE: 1,
    MAP_UNMAP: 2,
    BYPASS: 3,
    PROBE: 4,
    MMIO: 5,
    BYPASS_CONFIG: 6,
  },
  // PERSISTENT_SUSPND and ZERO_LEGNTH_REQUEST: so QEMU spells them.
  VIRTIO_MEM_F_: {
    ACPI_PXM: 0,
    UNPLUGGED_INACCESSIBLE: 1,
    PERSISTENT_SUSPEND: 2,
    PERSISTENT_SUSPND: 2,
  },
  VIRTIO_I2C_F_: { ZERO_LENGTH_REQUEST: 0, ZERO_LEGNTH_REQUEST: 0 },
  VIRTIO_VSOCK_F_: { STREAM: 0, SEQPACKET: 1, NO_IMPLIED_STREAM: 2 },
  VIRTIO_GPIO_F_: { IRQ: 0 },
};

const FEATURE_BITS = new Map(
  Object.entries(GROUPS).flatMap(([prefix, names]) =>
    Object.entries(names).map(([name, bit]) => [prefix + name, bit] as const)
  ),
);

/** Device status bits: virtio 1.4, 2.1. */
const STATUS_BITS = new Map([
  ["VIRTIO_CONFIG_S_ACKNOWLEDGE", 0],
  ["VIRTIO_CONFIG_S_DRIVER", 1],
  ["VIRTIO_CONFIG_S_DRIVER_OK", 2],
  ["VIRTIO_CONFIG_S_FEATURES_OK", 3],
  ["VIRTIO_CONFIG_S_NEEDS_RESET", 6],
  ["VIRTIO_CONFIG_S_FAILED", 7],
]);

/**
 * The mask of a VirtioDeviceFeatures object: named transport and device features and the number of
 * the nameless. What is missing or of another type counts as empty.
 */
export function featureMask(value: unknown): NamedBits {
  if (!isRecord(value)) return { bits: 0n, unknown: [] };
  const names = [...strings(value.transports), ...strings(value["dev-features"])];
  const named = collect(names, FEATURE_BITS);
  return { bits: named.bits | mask(value["unknown-dev-features"], 64), unknown: named.unknown };
}

/** The status byte of a VirtioDeviceStatus object. */
export function statusByte(value: unknown): number {
  if (!isRecord(value)) return 0;
  const named = collect(strings(value.statuses), STATUS_BITS).bits;
  return Number(named | mask(value["unknown-statuses"], 8));
}

function collect(texts: readonly string[], table: ReadonlyMap<string, number>): NamedBits {
  const unknown: string[] = [];
  let bits = 0n;
  for (const text of texts) {
    const bit = table.get(nameIn(text));
    if (bit === undefined) unknown.push(nameIn(text));
    else bits |= 1n << BigInt(bit);
  }
  return { bits, unknown };
}

/** The name before the colon. QEMU 8.1 and later call GUEST_USO6 GUEST_USO4, with the right text. */
function nameIn(text: string): string {
  const name = text.split(":", 1)[0];
  return name === "VIRTIO_NET_F_GUEST_USO4" && text.includes("USOv6")
    ? "VIRTIO_NET_F_GUEST_USO6"
    : name;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function mask(value: unknown, width: number): bigint {
  if (typeof value === "bigint") return BigInt.asUintN(width, value);
  return typeof value === "number" && Number.isSafeInteger(value)
    ? BigInt.asUintN(width, BigInt(value))
    : 0n;
}
