/**
 * `ccw:0.0.0001`, inside a guest of s390x: a virtio device on a channel subsystem, by its bus id. It
 * has no memory to map (channel I/O defines no shared memory regions, and its registers are commands
 * of the kernel's), so what there is to see is what the virtio bus tells: virtio 1.4, 4.3.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Device, Guest } from "../guest/guest.ts";
import { NO_CALL } from "../kick/inside.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import { type CcwDevice, enumerateCcw } from "../transport/enumerate.ts";
import { type SysfsReader, sysfsReader } from "../transport/sysfs_reader.ts";
import { InsideAttachment, virtioDevice } from "./inside.ts";
import type { Attachment, AttachOptions, Source, Target } from "./source.ts";

/** The channel I/O source. */
export const ccwSource: Source = {
  scheme: "ccw",
  summary: "inside a guest of s390x: a virtio device by its bus id on the channel subsystem",
  find: (options) => Promise.resolve().then(() => findDevices(options)),
  attach: (target, options) => Promise.resolve().then(() => attachCcw(target, options)),
};

function findDevices({ sys }: AttachOptions): Guest[] {
  const reader = sysfsReader(sys);
  return enumerateCcw(reader).map((device) => ({
    target: `ccw:${device.address}`,
    name: device.node?.name ?? "",
    kind: "device",
    pid: null,
    state: device.node?.driver ?? "no driver",
    memory: null,
    devices: [describe(device, reader, null)],
    note: "",
  }));
}

function describe(
  { address, type, node }: CcwDevice,
  reader: SysfsReader,
  target: Target | null,
): Device {
  const interrupts = reader.text("proc/interrupts") ?? "";
  return virtioDevice({ kind: "ccw", id: address }, type, node, {
    numQueues: null,
    interrupts,
    target,
  });
}

function attachCcw(target: Target, { sys, write }: AttachOptions): Attachment {
  const reader = sysfsReader(sys);
  locate(reader, target);
  return new InsideAttachment({
    target,
    write,
    regions: [],
    resources: new DisposableStack(),
    look: () => ({ devices: [describe(locate(reader, target), reader, target)], note: "" }),
    kicks: (_, __, side) => [hypercall(side)],
  });
}

function locate(reader: SysfsReader, { what }: Target): CcwDevice {
  const devices = enumerateCcw(reader);
  const found = devices.find(({ address }) => address === what.toLowerCase());
  if (found !== undefined) return found;
  const names = devices.map(({ address }) => address).join(", ") || "there are none here";
  throw new SourceError(
    "ccw",
    "look up",
    "not-found",
    `no virtio device ${what}`,
    `devices: ${names}`,
  );
}

/** 4.3.3.2: DIAGNOSE 0x500, subcode 3. Privileged: the kernel gives no way to it. */
function hypercall(side: KickSide): Kick {
  const possible = side === "call"
    ? NO_CALL
    : "channel I/O notifies by a hypercall (DIAGNOSE 0x500), which only the kernel can make";
  return {
    name: "notify",
    lastResort: false,
    possible,
    describe: () => "notify by DIAGNOSE 0x500",
    send: () => Promise.reject(new SourceError("kick", "notify", "unsupported", possible)),
  };
}
