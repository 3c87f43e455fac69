/**
 * Which PCI functions are virtio devices: virtio 1.4, 4.1.2. And ivshmem, which is not, though it has
 * the same vendor.
 *
 * @module
 */

/** Identity of a PCI function, from its configuration space or sysfs. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
}

/** What a function is. */
export type PciKind =
  /** `type`: the virtio device id. */
  | { readonly kind: "modern" | "transitional" | "legacy"; readonly type: number }
  | { readonly kind: "ivshmem" }
  /** Siemens' second version (Jailhouse): other registers, no decoder. */
  | { readonly kind: "ivshmem-v2" };

/** Red Hat, as virtio has it. */
export const VIRTIO_VENDOR = 0x1af4;

/** Transitional PCI device ids and the virtio device ids they stand for (4.1.2.1). */
const TRANSITIONAL: Readonly<Record<number, number>> = {
  0x1000: 1,
  0x1001: 2,
  0x1002: 5,
  0x1003: 3,
  0x1004: 8,
  0x1005: 4,
  0x1009: 9,
};

/**
 * What a function is, or null where it is none of ours. Whether a device of the transitional range is
 * transitional or only legacy is told by `hasCapabilities`: virtio capabilities in its list.
 */
export function identify(identity: PciIdentity, hasCapabilities: boolean): PciKind | null {
  const { vendor, device } = identity;
  if (vendor === 0x110a && device === 0x4106) return { kind: "ivshmem-v2" };
  if (vendor !== VIRTIO_VENDOR) return null;
  if (device === 0x1110) return { kind: "ivshmem" };
  if (device >= 0x1040 && device <= 0x107f) return { kind: "modern", type: device - 0x1040 };
  if (device < 0x1000 || device > 0x103f) return null;
  const type = legacyType(identity);
  return { kind: hasCapabilities ? "transitional" : "legacy", type };
}

/** The subsystem device id is the virtio device id; the table serves where it is not filled in. */
function legacyType({ device, subsystemDevice }: PciIdentity): number {
  const known = subsystemDevice > 0 && subsystemDevice < 0x40;
  return known ? subsystemDevice : TRANSITIONAL[device] ?? subsystemDevice;
}

/** The identity in a configuration space of at least 64 bytes (PCI 3.0, 6.1). */
export function identityOf(config: Uint8Array): PciIdentity {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  return {
    vendor: view.getUint16(0x00, true),
    device: view.getUint16(0x02, true),
    revision: view.getUint8(0x08),
    subsystemVendor: view.getUint16(0x2c, true),
    subsystemDevice: view.getUint16(0x2e, true),
  };
}
