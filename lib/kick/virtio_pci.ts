/**
 * Kick from inside a guest over virtio-pci: the queue's notify address, virtio 1.4, 4.1.5.2. The same
 * write that the driver makes.
 *
 * @module
 */
import { hex } from "../address.ts";
import { SourceError } from "../errors.ts";
import { FEATURE } from "../ring/config.ts";
import { type QueueNotify, readQueueNotify } from "../transport/common_config.ts";
import type { PciDevice } from "../transport/enumerate.ts";
import { notifyOffset, type NotifyWrite, notifyWrite } from "../transport/notify.ts";
import type { PciBar } from "../transport/pci_bars.ts";
import { CFG_TYPE, firstUsable, type VirtioCapability } from "../transport/pci_capabilities.ts";
import { openBar, type RegisterWindow, type WindowSys } from "../transport/register_window.ts";
import { nextPosition } from "./driver_position.ts";
import { FROM_HOST, NO_CALL, type Refusal, refusal, registerWay } from "./inside.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

const VERSION_1 = FEATURE.VERSION_1;

/** The kick by notify address. Nothing is mapped before `possible` or `send` is asked. */
export function virtioPciKick(
  sys: WindowSys,
  device: PciDevice,
  queue: number,
  side: KickSide,
): Kick {
  return registerWay({
    name: "notify",
    remedy: FROM_HOST,
    look: () => side === "call" ? NO_CALL : possible(sys, device, queue),
    describe: () => `notify address of ${device.address}, queue ${queue}: one write`,
    send: () => Promise.resolve().then(() => send(sys, device, queue)),
  });
}

/** The capabilities that it takes, and the BARs they are in. */
interface Areas {
  readonly common: VirtioCapability;
  readonly commonBar: PciBar;
  readonly notify: VirtioCapability;
  readonly notifyBar: PciBar;
}

function areasOf({ what, node, capabilities, bars }: PciDevice): Areas | string {
  if (what.kind !== "modern" && what.kind !== "transitional") return `${what.kind}: no notify area`;
  if (node === null || (node.features & VERSION_1) === 0n) {
    return node === null ? "no driver runs the device" : "the driver runs it as a legacy device";
  }
  const common = firstUsable(capabilities, CFG_TYPE.common);
  const notify = firstUsable(capabilities, CFG_TYPE.notify);
  const commonBar = bars[common?.bar ?? -1] ?? null;
  const notifyBar = bars[notify?.bar ?? -1] ?? null;
  if (common === null || notify === null || commonBar === null || notifyBar === null) {
    return capabilities.notes[0] ?? "no usable common and notify capabilities";
  }
  // virtio 1.0 had 56 bytes, and no device has less (4.1.4.3).
  if (common.length < 56n) return `the common configuration has only ${common.length} bytes`;
  return { common, commonBar, notify, notifyBar };
}

function possible(sys: WindowSys, device: PciDevice, queue: number): true | string | Refusal {
  const areas = areasOf(device);
  if (typeof areas === "string") return areas;
  const features = device.node?.features ?? 0n;
  try {
    using common = openCommon(sys, device, areas);
    // Without NOTIFICATION_DATA nothing of the queue is asked before it is written to.
    if ((features & FEATURE.NOTIFICATION_DATA) === 0n) return true;
    const write = writeFor(sys, queue, readQueueNotify(common, queue), features);
    return typeof write === "string" ? write : true;
  } catch (error) {
    return refusal(error);
  }
}

function openCommon(sys: WindowSys, device: PciDevice, areas: Areas): RegisterWindow {
  const { common, commonBar } = areas;
  const length = Number(common.length < 64n ? common.length : 64n);
  return openBar(sys, device.address, commonBar, common.offset, length, true);
}

function send(sys: WindowSys, device: PciDevice, queue: number): KickProof {
  const areas = areasOf(device);
  if (typeof areas === "string") throw unsupported(areas);
  const { offset, write } = lookUp(sys, device, areas, queue);
  const { notify, notifyBar } = areas;
  // Port BARs are opened from their start, memory only where it is written.
  const base = notifyBar.io ? 0n : offset - offset % BigInt(write.width / 8);
  const length = notifyBar.io ? Number(notify.offset + notify.length) : write.width / 8;
  using area = openBar(sys, device.address, notifyBar, base, length, true);
  area.write(Number(offset - base), write.width, write.value);
  const where = `BAR ${notifyBar.index} + ${hex(offset)} (${hex(notifyBar.start + offset)})`;
  return { evidence: [`wrote ${write.width}-bit ${hex(write.value)} to ${where}`] };
}

/** What the driver itself would write. */
function writeFor(
  sys: WindowSys,
  index: number,
  known: QueueNotify,
  features: bigint,
): NotifyWrite | string {
  const wantsData = (features & FEATURE.NOTIFICATION_DATA) !== 0n;
  const next = wantsData ? nextPosition(sys, known, features) : null;
  if (typeof next === "string") return next;
  const format = (features & FEATURE.RING_PACKED) === 0n ? "split" : "packed";
  return notifyWrite({ index, configData: known.configData, next, format }, features, "pci");
}

function lookUp(
  sys: WindowSys,
  device: PciDevice,
  areas: Areas,
  queue: number,
): { offset: bigint; write: NotifyWrite } {
  using common = openCommon(sys, device, areas);
  const known = readQueueNotify(common, queue);
  if (known.size === 0) throw unsupported(`${device.address} has no queue ${queue}`);
  const write = writeFor(sys, queue, known, device.node?.features ?? 0n);
  if (typeof write === "string") throw unsupported(write);
  const offset = notifyOffset(areas.notify, known.notifyOff, write.width);
  if (typeof offset === "string") throw unsupported(offset);
  return { offset, write };
}

function unsupported(text: string): SourceError {
  return new SourceError("kick", "notify", "unsupported", text);
}
