/**
 * Protocol features: messages GET_PROTOCOL_FEATURES and SET_PROTOCOL_FEATURES.
 *
 * @module
 */

/** VHOST_USER_PROTOCOL_F_*, as masks. */
export const PROTOCOL_FEATURE = {
  MQ: 1n << 0n,
  LOG_SHMFD: 1n << 1n,
  RARP: 1n << 2n,
  REPLY_ACK: 1n << 3n,
  MTU: 1n << 4n,
  /** Once SLAVE_REQ. */
  BACKEND_REQ: 1n << 5n,
  CROSS_ENDIAN: 1n << 6n,
  CRYPTO_SESSION: 1n << 7n,
  PAGEFAULT: 1n << 8n,
  CONFIG: 1n << 9n,
  /** Once SLAVE_SEND_FD. */
  BACKEND_SEND_FD: 1n << 10n,
  HOST_NOTIFIER: 1n << 11n,
  INFLIGHT_SHMFD: 1n << 12n,
  RESET_DEVICE: 1n << 13n,
  /** Needs BACKEND_REQ and REPLY_ACK. */
  INBAND_NOTIFICATIONS: 1n << 14n,
  CONFIGURE_MEM_SLOTS: 1n << 15n,
  STATUS: 1n << 16n,
  /** The draft of 2022 and 2023 called the same bit CUSTOM_MMAP. */
  XEN_MMAP: 1n << 17n,
  SHARED_OBJECT: 1n << 18n,
  DEVICE_STATE: 1n << 19n,
  /** Needs INFLIGHT_SHMFD. Drafts of 2025 had SHMEM here. */
  GET_VRING_BASE_INFLIGHT: 1n << 20n,
  /** rust-vmm's vhost 0.16 had SHMEM here. */
  GPA_ADDRESSES: 1n << 21n,
  SHMEM_MAP: 1n << 22n,
} as const;

/** Name of a protocol feature. */
export type ProtocolFeatureName = keyof typeof PROTOCOL_FEATURE;

const NAMES: readonly string[] = Object.keys(PROTOCOL_FEATURE);

/** Name of protocol feature `bit`: `MQ` for 0, `unknown(40)` for a bit without one. */
export function protocolFeatureName(bit: number): string {
  return NAMES[bit] ?? `unknown(${bit})`;
}

/** Names of every bit that is set, lowest first; at most 64. */
export function protocolFeatureNames(features: bigint): string[] {
  return Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => (features >> BigInt(bit)) & 1n)
    .map(protocolFeatureName);
}

/** Whether `feature` is among `features`; false where they are not known. */
export function hasProtocolFeature(features: bigint | null, feature: ProtocolFeatureName): boolean {
  return features !== null && (features & PROTOCOL_FEATURE[feature]) !== 0n;
}

/** What one feature needs others for: what is missing, or an empty list. */
export function missingProtocolFeatures(features: bigint): string[] {
  return NEEDS.filter(([feature]) => hasProtocolFeature(features, feature))
    .flatMap(([feature, needed]) =>
      needed.filter((name) => !hasProtocolFeature(features, name))
        .map((name) => `${feature} without ${name}`)
    );
}

const NEEDS: readonly (readonly [ProtocolFeatureName, readonly ProtocolFeatureName[]])[] = [
  ["INBAND_NOTIFICATIONS", ["BACKEND_REQ", "REPLY_ACK"]],
  ["GET_VRING_BASE_INFLIGHT", ["INFLIGHT_SHMFD"]],
  ["SHMEM_MAP", ["BACKEND_REQ"]],
];
