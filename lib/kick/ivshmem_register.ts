/**
 * The ivshmem doorbell from inside a guest: a write to a register of BAR 0, which QEMU turns into the
 * peer's eventfd. The device gives no answer: a peer that is not there is rung in vain.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { PciDevice } from "../transport/enumerate.ts";
import { openBar, type WindowSys } from "../transport/register_window.ts";
import {
  doorbellValue,
  IVSHMEM_BAR,
  REGISTER,
  REGISTERS_LENGTH,
} from "../wire/ivshmem/registers.ts";
import { type Refusal, refusal, registerWay } from "./inside.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** Rings `vector` of `peer`. */
export function doorbellKick(
  sys: WindowSys,
  device: PciDevice,
  peer: number,
  vector: number,
  side: KickSide,
): Kick {
  const oneWay = "a doorbell has one direction: to the peer";
  return registerWay({
    name: "doorbell",
    remedy: "give the guest an ivshmem-doorbell device",
    look: () => side === "call" ? oneWay : possible(sys, device),
    describe: () => `doorbell register of ${device.address}: peer ${peer}, vector ${vector}`,
    send: () => Promise.resolve().then(() => send(sys, device, peer, vector)),
  });
}

function possible(sys: WindowSys, device: PciDevice): true | string | Refusal {
  // MSI-X has a BAR of its own; a device without it has no doorbell.
  if (device.bars[IVSHMEM_BAR.msix] === null) return "ivshmem-plain has no doorbell";
  if (device.bars[IVSHMEM_BAR.registers] === null) return "BAR 0 is not there";
  try {
    using _registers = open(sys, device);
    return true;
  } catch (error) {
    return refusal(error);
  }
}

function open(sys: WindowSys, device: PciDevice) {
  const bar = device.bars[IVSHMEM_BAR.registers];
  if (bar === null || bar.length < BigInt(REGISTERS_LENGTH)) {
    throw new SourceError("pci", "open", "unsupported", `${device.address} has no registers`);
  }
  return openBar(sys, device.address, bar, 0n, REGISTERS_LENGTH, true);
}

function send(sys: WindowSys, device: PciDevice, peer: number, vector: number): KickProof {
  using registers = open(sys, device);
  const value = doorbellValue(peer, vector);
  registers.write(REGISTER.doorbell, 32, value);
  return { evidence: [`wrote 0x${value.toString(16)} to the doorbell of ${device.address}`] };
}
