/**
 * Legacy virtio over PCI, BAR 0: virtio 1.4, 4.1.4.10. Registers are ports; everything about a queue
 * lies behind QUEUE_SEL, and reading ISR clears it.
 *
 * @module
 */
import type { RegisterFile } from "./register_file.ts";

/** Byte offsets in BAR 0. */
export const LEGACY = {
  hostFeatures: 0,
  guestFeatures: 4,
  queuePfn: 8,
  queueNum: 12,
  queueSelect: 14,
  queueNotify: 16,
  status: 18,
  isr: 19,
  /** The two MSI-X vectors, there only while MSI-X is enabled: the configuration moves by 4. */
  msiConfigVector: 20,
  msiQueueVector: 22,
} as const;

/** Where the device's configuration begins. */
export function legacyConfigOffset(msixEnabled: boolean): number {
  return msixEnabled ? 24 : 20;
}

/** A legacy ring is one block at PFN × 4096 with the areas 4096 bytes apart. */
export const LEGACY_PAGE = 4096;

/** What can be read without writing anything. */
export interface LegacyPci {
  /** Offered; only bits 0 to 31 exist. */
  readonly hostFeatures: number;
  readonly guestFeatures: number;
  readonly status: number;
  /** Of the queue that the driver has selected. */
  readonly selected: number;
  readonly queueSize: number;
  /** Guest address of that queue's ring; null while it is not set up. */
  readonly queueAddress: bigint | null;
}

/** Reads what has no side effect. */
export function readLegacyPci(registers: RegisterFile): LegacyPci {
  const frame = registers.read(LEGACY.queuePfn, 32);
  return {
    hostFeatures: registers.read(LEGACY.hostFeatures, 32),
    guestFeatures: registers.read(LEGACY.guestFeatures, 32),
    status: registers.read(LEGACY.status, 8),
    selected: registers.read(LEGACY.queueSelect, 16),
    queueSize: registers.read(LEGACY.queueNum, 16),
    queueAddress: frame === 0 ? null : BigInt(frame) * BigInt(LEGACY_PAGE),
  };
}
