/**
 * The device model of an HVM domain: a QEMU, whose virtio devices have their rings in the domain's
 * memory. xl leaves it a monitor; everything but the rings' memory is as with any other QEMU.
 *
 * @module
 */
import { isSyscallFailure, ProtocolError, SourceError } from "../errors.ts";
import type { Device } from "../guest/guest.ts";
import { attempt } from "./attempt.ts";
import { readDevices } from "./qemu_devices.ts";
import { connectMonitor } from "./qemu_monitor.ts";
import type { AttachOptions } from "./source.ts";

/** Devices that the device model emulates, and why they are not known. */
export interface ModelDevices {
  readonly devices: readonly Device[];
  /** Empty where all is well, or there is no device model. */
  readonly note: string;
}

/** Sockets that libxl gives QEMU (tools/libs/light/libxl_dm.c); the first is libxl's own. */
const SOCKETS = ["/run/xen/qmp-libxl-", "/var/run/xen/qmp-libxl-"] as const;

/** Asks the monitor, briefly: libxl wants it, too. A device model that can not be asked has a note. */
export async function deviceModelDevices(
  domain: number,
  { sys, signal, log }: AttachOptions,
): Promise<ModelDevices> {
  const path = SOCKETS.map((prefix) => `${prefix}${domain}`)
    .find((candidate) => attempt(() => sys.stat(candidate)) !== null);
  if (path === undefined) return { devices: [], note: "" };
  try {
    using monitor = await connectMonitor(path, { sys, signal });
    return await readDevices(monitor);
  } catch (error) {
    signal?.throwIfAborted();
    const known = error instanceof SourceError || error instanceof ProtocolError ||
      isSyscallFailure(error);
    if (!known) throw error;
    log(`device model of domain ${domain}: ${error.message}`);
    return { devices: [], note: error.message };
  }
}
