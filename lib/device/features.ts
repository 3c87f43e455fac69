/**
 * Feature bits that all devices share and the device status field: virtio 1.4, chapter 6 and 2.1.
 *
 * @module
 */
import type { DeviceType } from "./decoder.ts";
import { bitNames, type Names } from "./kind.ts";

/** Common feature bits; 24, 26, 27 and 30 are legacy's or vhost's. */
export const COMMON_FEATURES: Names = {
  24: "NOTIFY_ON_EMPTY",
  26: "VHOST_LOG_ALL",
  27: "ANY_LAYOUT",
  28: "INDIRECT_DESC",
  29: "EVENT_IDX",
  30: "VHOST_USER_PROTOCOL_FEATURES",
  32: "VERSION_1",
  33: "ACCESS_PLATFORM",
  34: "RING_PACKED",
  35: "IN_ORDER",
  36: "ORDER_PLATFORM",
  37: "SR_IOV",
  38: "NOTIFICATION_DATA",
  39: "NOTIF_CONFIG_DATA",
  40: "RING_RESET",
  41: "ADMIN_VQ",
  43: "SUSPEND",
};

/** Bits of the device status field. */
export const STATUS_BITS: Names = {
  0: "ACKNOWLEDGE",
  1: "DRIVER",
  2: "DRIVER_OK",
  3: "FEATURES_OK",
  4: "SUSPEND",
  6: "DEVICE_NEEDS_RESET",
  7: "FAILED",
};

/** virtio 1.4 has feature bits 0 to 127. */
const FEATURE_BITS = 128;
const VERSION_1 = 1n << 32n;

/**
 * Names of the bits set in `features`, in order; a bit without a name as its number. Bits 41 and 42
 * of a legacy device are the device type's own (net: GUEST_RSC4, GUEST_RSC6). Pass null where the
 * device type is not known.
 */
export function featureNames(
  type: Pick<DeviceType, "features"> | null,
  features: bigint,
): string[] {
  const own = type?.features ?? {};
  const modern = (features & VERSION_1) !== 0n;
  const [first, second] = modern ? [COMMON_FEATURES, own] : [own, COMMON_FEATURES];
  const names: string[] = [];
  for (let bit = 0; bit < FEATURE_BITS; bit++) {
    if ((features >> BigInt(bit)) & 1n) names.push(first[bit] ?? second[bit] ?? String(bit));
  }
  return names;
}

/** Names of the bits of a device status; an unknown bit as its value. 0 is `RESET`. */
export function statusNames(status: number): string[] {
  return status === 0 ? ["RESET"] : bitNames(STATUS_BITS, status).map(String);
}

/** Whether feature bit `bit` is among `features`. */
export function has(features: bigint, bit: number): boolean {
  return ((features >> BigInt(bit)) & 1n) === 1n;
}
