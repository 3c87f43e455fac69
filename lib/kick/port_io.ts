/**
 * Kick from inside a guest by port I/O, the default where nothing better is announced: the legacy
 * QUEUE_NOTIFY register, virtio 1.4, 4.1.4.10.
 *
 * @module
 */
import { hex } from "../address.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { PciDevice } from "../transport/enumerate.ts";
import { LEGACY } from "../transport/legacy_pci.ts";
import type { PciBar } from "../transport/pci_bars.ts";
import { barPath, openPorts, type WindowSys } from "../transport/register_window.ts";
import { NO_CALL } from "./inside.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** The kick by legacy port. */
export function portKick(sys: WindowSys, device: PciDevice, queue: number, side: KickSide): Kick {
  const bar = legacyBar(device);
  return {
    name: "port-io",
    lastResort: false,
    possible: side === "call" ? NO_CALL : typeof bar === "string" ? bar : true,
    describe: () =>
      typeof bar === "string"
        ? `port I/O: ${bar}`
        : `port ${
          hex(bar.start + BigInt(LEGACY.queueNotify))
        } of ${device.address}: write ${queue}`,
    send: () => Promise.resolve().then(() => send(sys, device, bar, queue)),
  };
}

function legacyBar({ what, bars }: PciDevice): PciBar | string {
  if (what.kind !== "transitional" && what.kind !== "legacy") {
    return `${what.kind} device: no ports`;
  }
  const bar = bars[0];
  if (bar === null || !bar.io) return "BAR 0 has no ports";
  const needed = BigInt(LEGACY.queueNotify + 2);
  return bar.length < needed ? `BAR 0 has only ${bar.length} ports` : bar;
}

function send(
  sys: WindowSys,
  device: PciDevice,
  bar: PciBar | string,
  queue: number,
): KickProof {
  if (typeof bar === "string") throw new SourceError("kick", "port-io", "unsupported", bar);
  try {
    const path = barPath(device.address, bar.index);
    using ports = openPorts({ sys, path, length: LEGACY.queueNotify + 2, writable: true });
    ports.write(LEGACY.queueNotify, 16, queue);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const kind = error.errno === "EACCES" || error.errno === "EPERM" ? "permission" : "failed";
    throw new SourceError("kick", "port-io", kind, error.message, "run as root", { cause: error });
  }
  const port = hex(bar.start + BigInt(LEGACY.queueNotify));
  return { evidence: [`wrote 16-bit ${queue} to port ${port}`] };
}
