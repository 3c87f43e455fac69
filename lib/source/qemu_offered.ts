/**
 * A device's features where x-query-virtio-status may not be asked (QEMU 10.1 and later).
 *
 * Two sources: what the device offers, as properties in the object tree; and the half of the
 * negotiated features that a modern PCI device shows in its common configuration at present. Reading
 * that has no effect on the device (virtio 1.4, 4.1.4.3: only writes select). Drivers leave the high
 * half selected, where VERSION_1 and RING_PACKED are.
 *
 * @module
 */
import { hex } from "../address.ts";
import { FEATURE } from "../ring/config.ts";
import type { PciFunction } from "./qemu_bus.ts";
import { type Command, human, humanText, type QmpMonitor, type Reply } from "./qemu_monitor.ts";
import type { NamedDevice } from "./qemu_qom.ts";
import { type DeviceStatus, unknownStatus } from "./qemu_status.ts";

/** Boolean properties of QEMU's virtio devices → feature bits: virtio 1.4, 5 and 6. */
const PROPERTIES: readonly (readonly [name: string, bit: number, model?: string])[] = [
  ["indirect_desc", 28],
  ["event_idx", 29],
  ["iommu_platform", 33],
  ["packed", 34],
  ["in_order", 35],
  ["queue_reset", 40],
  ["mrg_rxbuf", 15, "virtio-net"],
  ["ctrl_vq", 17, "virtio-net"],
  ["mq", 22, "virtio-net"],
];

/** struct virtio_pci_common_cfg: virtio 1.4, 4.1.4.3. Offsets and widths in bytes. */
const COMMON = {
  driverFeatureSelect: { offset: 8n, width: "w" },
  driverFeature: { offset: 12n, width: "w" },
  numQueues: { offset: 18n, width: "h" },
  deviceStatus: { offset: 20n, width: "b" },
} as const;

/** Bits 0 to 23 belong to the device type, which says little where it is only offered. */
const LOW_HALF = 0xffff_ffffn;
const GUESSED = "features are what the device offers, as this QEMU can not be asked what the " +
  "driver took";

/** Start addresses of the common configurations in a text of `info mtree -f`. */
export function commonAddresses(text: string): bigint[] {
  const found = text.matchAll(/^ {2}([0-9a-f]{16})-[0-9a-f]{16} \(.*\): virtio-pci-common/gm);
  return [...new Set([...found].map((match) => BigInt("0x" + match[1])))];
}

/** The status as far as it can be told without asking for it. `common` from `commonAddresses`. */
export async function offeredStatus(
  monitor: QmpMonitor,
  device: NamedDevice,
  fn: PciFunction | null,
  common: readonly bigint[],
): Promise<DeviceStatus> {
  const properties = PROPERTIES.filter(([, , model]) =>
    model === undefined || model === device.model
  );
  const questions = properties.map(([property]): Command => ({
    name: "qom-get",
    args: { path: device.path, property },
  }));
  const replies = await monitor.ask(questions);
  const offered = replies.reduce((bits, reply, index) => {
    const set = reply.ok && reply.value === true;
    return set ? bits | 1n << BigInt(properties[index][1]) : bits;
  }, 0n);
  const place = common.find((address) => inBar(fn, address));
  const shown = place === undefined ? null : await readCommon(monitor, place);
  const maybePacked = shown === null && (offered & FEATURE.RING_PACKED) !== 0n;
  const split = maybePacked && !await refusesAsPacked(monitor, device);
  return combine(
    unknownStatus(device, null),
    split ? offered & ~FEATURE.RING_PACKED : offered,
    shown,
  );
}

/** x-query-virtio-queue-element refuses packed rings before it reads anything. */
async function refusesAsPacked(monitor: QmpMonitor, device: NamedDevice): Promise<boolean> {
  const args = { path: device.path, queue: 0, index: 0 };
  const [reply] = await monitor.ask([{ name: "x-query-virtio-queue-element", args }]);
  return !reply.ok && /packed ring/i.test(reply.description);
}

/** What the common configuration shows. */
interface CommonView {
  /** 0 or 1: which half `features` is. */
  readonly half: number;
  readonly features: number;
  readonly status: number;
  readonly queues: number;
}

async function readCommon(monitor: QmpMonitor, address: bigint): Promise<CommonView | null> {
  const read = ({ offset, width }: { offset: bigint; width: string }) =>
    human(`xp /1x${width} ${hex(address + offset)}`);
  const replies = await monitor.ask(Object.values(COMMON).map(read));
  const [half, features, queues, status] = replies.map(numberIn);
  const whole = half !== null && features !== null && queues !== null && status !== null;
  return whole && half <= 1 ? { half, features, queues, status } : null;
}

/** `00000000feb54008: 0x00000001`; newer QEMUs write the address with as many digits as it needs. */
function numberIn(reply: Reply): number | null {
  const match = /^[0-9a-f]{1,16}: 0x([0-9a-f]{1,8})\s*$/.exec(humanText(reply) ?? "");
  return match === null ? null : parseInt(match[1], 16);
}

function combine(base: DeviceStatus, offered: bigint, shown: CommonView | null): DeviceStatus {
  // Every driver of a modern device takes VERSION_1; nothing else is known of a legacy one.
  if (shown === null) return { ...base, features: offered | FEATURE.VERSION_1, note: GUESSED };
  const { queues: queueCount, status } = shown;
  // After a reset nothing is negotiated.
  if (status === 0) return { ...base, status, queueCount };
  const mask = shown.half === 1 ? LOW_HALF << 32n : LOW_HALF;
  const exact = BigInt(shown.features) << (shown.half === 1 ? 32n : 0n);
  const features = (offered & ~mask) | exact;
  return { ...base, features, status, queueCount, note: GUESSED };
}

function inBar(fn: PciFunction | null, address: bigint): boolean {
  return fn !== null && fn.bars.some(({ start, end }) => address >= start && address < end);
}
