/**
 * virtio over MMIO: virtio 1.4, 4.2.2 (version 2) and 4.2.4 (legacy, version 1).
 *
 * @module
 */
import {
  hasRegister,
  read64,
  type RegisterFile,
  type WritableRegisterFile,
} from "./register_file.ts";
import { type SharedRegion, type SharedRegions, usableRegions } from "./shared_region.ts";

/** Byte offsets; every register is 32 bits wide and little-endian. */
export const MMIO = {
  magic: 0x000,
  version: 0x004,
  deviceId: 0x008,
  vendorId: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSelect: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSelect: 0x024,
  queueSelect: 0x030,
  queueSizeMax: 0x034,
  queueSize: 0x038,
  /** Version 1 only. */
  queuePfn: 0x040,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  sharedMemorySelect: 0x0ac,
  sharedMemoryLength: 0x0b0,
  sharedMemoryBase: 0x0b8,
  queueReset: 0x0c0,
  configGeneration: 0x0fc,
  config: 0x100,
} as const;

/** "virt", little-endian. */
export const MMIO_MAGIC = 0x74726976;

/** What can be read without writing anything. */
export interface MmioDevice {
  readonly version: number;
  /** virtio device id; 0 is a placeholder that must be ignored. */
  readonly type: number;
  readonly vendor: number;
  readonly status: number;
  /** Bit 0: used buffer, bit 1: configuration change. Reading has no effect. */
  readonly interruptStatus: number;
  /** null in version 1, which has no such register. */
  readonly generation: number | null;
}

/** Reads a transport. A string says why it is none. */
export function readMmio(registers: RegisterFile): MmioDevice | string {
  if (registers.length < MMIO.config) return `only ${registers.length} bytes of registers`;
  const magic = registers.read(MMIO.magic, 32);
  if (magic !== MMIO_MAGIC) return `no virtio: magic value is 0x${magic.toString(16)}`;
  const version = registers.read(MMIO.version, 32);
  if (version !== 1 && version !== 2) return `version ${version} is not known`;
  return {
    version,
    type: registers.read(MMIO.deviceId, 32),
    vendor: registers.read(MMIO.vendorId, 32),
    status: registers.read(MMIO.status, 32),
    interruptStatus: registers.read(MMIO.interruptStatus, 32),
    generation: version === 2 ? registers.read(MMIO.configGeneration, 32) : null,
  };
}

/** Length and base of a region that does not exist (4.2.2.1): all ones. */
const ABSENT = (1n << 64n) - 1n;

/**
 * Selects region after region and reads it (4.2.2): `ids` are those to ask for, by default all 256.
 * The selection can not be read, so it can not be put back: drivers select before they read.
 */
export function readMmioRegions(
  registers: WritableRegisterFile,
  ids: Iterable<number> = Array(256).keys(),
): SharedRegions {
  if (!hasRegister(registers, MMIO.sharedMemoryBase + 4, 32)) return { regions: [], notes: [] };
  const announced: SharedRegion[] = [];
  for (const id of ids) {
    registers.write(MMIO.sharedMemorySelect, 32, id);
    const length = read64(registers, MMIO.sharedMemoryLength, MMIO.sharedMemoryLength + 4);
    const address = read64(registers, MMIO.sharedMemoryBase, MMIO.sharedMemoryBase + 4);
    if (length === ABSENT || (length === 0n && address === 0n)) continue;
    announced.push({ id, length, place: { kind: "guest", address } });
  }
  return usableRegions(announced);
}
