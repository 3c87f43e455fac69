/**
 * The common configuration structure of virtio over PCI: virtio 1.4, 4.1.4.3.
 *
 * What lies behind `queue_select` belongs to the guest's driver, which may be using it: reading
 * another queue's registers means to write there.
 *
 * @module
 */
import { hasRegister, type RegisterFile, type WritableRegisterFile } from "./register_file.ts";

/** Byte offsets. */
export const COMMON = {
  deviceFeatureSelect: 0,
  deviceFeature: 4,
  driverFeatureSelect: 8,
  driverFeature: 12,
  numQueues: 18,
  deviceStatus: 20,
  configGeneration: 21,
  queueSelect: 22,
  queueSize: 24,
  queueEnable: 28,
  queueNotifyOff: 30,
  queueDesc: 32,
  queueDriver: 40,
  queueDevice: 48,
  queueNotifConfigData: 56,
  queueReset: 58,
  adminQueueIndex: 60,
  adminQueueNum: 62,
} as const;

/** What can be read without writing anything. */
export interface CommonConfig {
  readonly numQueues: number;
  readonly status: number;
  readonly generation: number;
  /** The queue that the driver has selected, and its notify offset. */
  readonly selected: number;
}

/** Reads what has no side effect. Null where the structure is shorter than 56 bytes (virtio 1.0). */
export function readCommonConfig(registers: RegisterFile): CommonConfig | null {
  if (registers.length < 56) return null;
  return {
    numQueues: registers.read(COMMON.numQueues, 16),
    status: registers.read(COMMON.deviceStatus, 8),
    generation: registers.read(COMMON.configGeneration, 8),
    selected: registers.read(COMMON.queueSelect, 16),
  };
}

/** What a notification needs to know of a queue. */
export interface QueueNotify {
  /** `queue_size`; 0 where there is no such queue. */
  readonly size: number;
  readonly notifyOff: number;
  /** `queue_notif_config_data`; null where the structure ends before it. */
  readonly configData: number | null;
  /** Guest physical addresses of the descriptor and the driver area; 0 where there are none. */
  readonly descriptor: bigint;
  readonly driver: bigint;
}

/**
 * Reads a queue's notify registers, selecting the queue and then what was selected before. A driver
 * that configures queues in that very moment would be disturbed; a running one never selects.
 */
export function readQueueNotify(registers: WritableRegisterFile, queue: number): QueueNotify {
  const before = registers.read(COMMON.queueSelect, 16);
  if (before !== queue) registers.write(COMMON.queueSelect, 16, queue);
  try {
    const has = hasRegister(registers, COMMON.queueNotifConfigData, 16);
    return {
      size: registers.read(COMMON.queueSize, 16),
      notifyOff: registers.read(COMMON.queueNotifyOff, 16),
      configData: has ? registers.read(COMMON.queueNotifConfigData, 16) : null,
      descriptor: read64(registers, COMMON.queueDesc),
      driver: read64(registers, COMMON.queueDriver),
    };
  } finally {
    if (before !== queue) registers.write(COMMON.queueSelect, 16, before);
  }
}

/** 64-bit fields are read as two of 32 bits (4.1.3.1); 0 where the structure ends before it. */
function read64(registers: RegisterFile, offset: number): bigint {
  if (!hasRegister(registers, offset + 4, 32)) return 0n;
  const [low, high] = [offset, offset + 4].map((at) => BigInt(registers.read(at, 32)));
  return (high << 32n) | low;
}
