/**
 * Feature and status bits out of the names by which QEMU's x-query-virtio-status tells them.
 *
 * QEMU writes `NAME: description` per bit (QEMU, hw/virtio/virtio-qmp.c), the names being those of
 * Linux's headers; bits without a name come as a number.
 *
 * @module
 */
import { COMMON_FEATURES, STATUS_BITS } from "../../device/features.ts";
import type { Names } from "../../device/kind.ts";
import { DEVICE_TYPES } from "../../device/registry.ts";
import { isRecord } from "./message.ts";

/** A mask read from names, and the names that this table does not have. */
export interface NamedBits {
  readonly bits: bigint;
  readonly unknown: readonly string[];
}

/** Names that QEMU or Linux's headers write otherwise than this project, typing errors included. */
const OTHERS: readonly (readonly [name: string, bit: number])[] = [
  ["VIRTIO_RING_F_INDIRECT_DESC", 28],
  ["VIRTIO_RING_F_EVENT_IDX", 29],
  ["VIRTIO_F_IOMMU_PLATFORM", 33],
  ["VHOST_F_LOG_ALL", 26],
  ["VHOST_NET_F_VIRTIO_NET_HDR", 27],
  ["VHOST_USER_F_PROTOCOL_FEATURES", 30],
  ["VIRTIO_BALLOON_F_REPORTING", 5],
  ["VIRTIO_MEM_F_PERSISTENT_SUSPND", 2],
  ["VIRTIO_I2C_F_ZERO_LEGNTH_REQUEST", 0],
];

/** `VIRTIO_NET_F_MRG_RXBUF` → 15, for every device type and the common ones. */
const FEATURE_BY_NAME: ReadonlyMap<string, number> = new Map([
  ...byName(COMMON_FEATURES, "VIRTIO_F_"),
  ...DEVICE_TYPES.flatMap((type) => byName(type.features, `VIRTIO_${type.name.toUpperCase()}_F_`)),
  ...OTHERS,
]);

/** `VIRTIO_CONFIG_S_DRIVER_OK` → 2. */
const STATUS_BY_NAME: ReadonlyMap<string, number> = new Map([
  ...byName(STATUS_BITS, "VIRTIO_CONFIG_S_"),
  ["VIRTIO_CONFIG_S_NEEDS_RESET", 6],
]);

function byName(names: Names, prefix: string): [string, number][] {
  return Object.entries(names).map(([bit, name]) => [prefix + name, Number(bit)]);
}

/**
 * The mask of a VirtioDeviceFeatures object: named transport and device features and the number of
 * the nameless. What is missing or of another type counts as empty.
 */
export function featureMask(value: unknown): NamedBits {
  if (!isRecord(value)) return { bits: 0n, unknown: [] };
  const names = [...strings(value.transports), ...strings(value["dev-features"])];
  const named = collect(names, FEATURE_BY_NAME);
  return { bits: named.bits | mask(value["unknown-dev-features"], 64), unknown: named.unknown };
}

/** The status byte of a VirtioDeviceStatus object. */
export function statusByte(value: unknown): number {
  if (!isRecord(value)) return 0;
  const named = collect(strings(value.statuses), STATUS_BY_NAME).bits;
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
