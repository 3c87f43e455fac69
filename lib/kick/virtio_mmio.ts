/**
 * Kick from inside a guest over virtio-mmio: the QueueNotify register, virtio 1.4, 4.2.3.3.
 *
 * @module
 */
import { hex } from "../address.ts";
import { SourceError } from "../errors.ts";
import type { MmioTransport } from "../transport/enumerate.ts";
import { MMIO, readMmio } from "../transport/mmio_registers.ts";
import { notifyWrite } from "../transport/notify.ts";
import { mapRegisters, type RegisterWindow, type WindowSys } from "../transport/register_window.ts";
import { FROM_HOST, NO_CALL, type Refusal, refusal, registerWay } from "./inside.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** Bytes of registers before the configuration. */
const LENGTH = 0x100;

/** The kick by QueueNotify. Nothing is mapped before `possible` or `send` is asked. */
export function virtioMmioKick(
  sys: WindowSys,
  device: MmioTransport,
  queue: number,
  side: KickSide,
): Kick {
  return registerWay({
    name: "notify",
    remedy: FROM_HOST,
    look: () => side === "call" ? NO_CALL : possible(sys, device, queue),
    describe: () => `QueueNotify of ${device.address}: write ${queue}`,
    send: () => Promise.resolve().then(() => send(sys, device, queue)),
  });
}

/** The transport's registers by /dev/mem. Throws SourceError where their address is hidden. */
export function openMmio(
  sys: WindowSys,
  { registers, address }: MmioTransport,
  writable: boolean,
): RegisterWindow {
  if (registers === null) {
    const remedy = "run as root: /proc/iomem hides addresses from others";
    throw new SourceError("mmio", "open", "permission", `no address known of ${address}`, remedy);
  }
  return mapRegisters({ sys, path: "/dev/mem", offset: registers.start, length: LENGTH, writable });
}

function possible(sys: WindowSys, device: MmioTransport, queue: number): true | string | Refusal {
  const write = writeOf(device, queue);
  if (typeof write === "string") return write;
  if (device.registers === null) {
    return { why: "the registers' address is hidden", remedy: "run as root" };
  }
  try {
    using registers = openMmio(sys, device, true);
    const found = readMmio(registers);
    return typeof found === "string" ? found : true;
  } catch (error) {
    return refusal(error);
  }
}

function writeOf({ node }: MmioTransport, queue: number) {
  const asked = { index: queue, configData: null, next: null, format: "split" } as const;
  return notifyWrite(asked, node.features, "mmio");
}

function send(sys: WindowSys, device: MmioTransport, queue: number): KickProof {
  const write = writeOf(device, queue);
  if (typeof write === "string") throw new SourceError("kick", "notify", "unsupported", write);
  using registers = openMmio(sys, device, true);
  const found = readMmio(registers);
  if (typeof found === "string") throw new SourceError("kick", "notify", "unsupported", found);
  registers.write(MMIO.queueNotify, 32, write.value);
  return { evidence: [`wrote 32-bit ${hex(write.value)} to QueueNotify of ${device.address}`] };
}
