/**
 * What live tests of the QEMU source share.
 *
 * @module
 */
import type { Guest } from "../../lib/guest/guest.ts";
import type { Target } from "../../lib/guest/target.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { qemuSource } from "../../lib/source/qemu.ts";
import type { Attachment, AttachOptions } from "../../lib/source/source.ts";
import { sys } from "./host.ts";

/** Options with which to attach; log lines go to `lines`. */
export function attachOptions(write = false, lines: string[] = []): AttachOptions {
  return { sys, write, layout: null, signal: null, log: (line) => void lines.push(line) };
}

/** `qemu:WHAT` or `qemu:WHAT/DEVICE`. */
export function qemuTarget(what: string | number, device: string | null = null): Target {
  const text = `qemu:${what}${device === null ? "" : "/" + device}`;
  return { scheme: "qemu", what: String(what), device, queue: null, text };
}

/** Attaches to a QEMU by pid or socket. */
export function attachTo(
  what: string | number,
  options: { device?: string; write?: boolean } = {},
): Promise<Attachment> {
  return qemuSource.attach(
    qemuTarget(what, options.device ?? null),
    attachOptions(options.write ?? false),
  );
}

/** The row of `find` for a pid. */
export async function findGuest(pid: number): Promise<Guest> {
  const guests = await qemuSource.find?.(attachOptions()) ?? [];
  return present(guests.find((guest) => guest.pid === pid));
}

/** The value, which must be there. */
export function present<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("not there");
  return value;
}

/** Free-running index of a split ring's available ring (virtio 1.4, 2.7.6: offset 2). */
export function availableIndex(memory: GuestMemory, ring: RingConfig): number {
  return new DataView(memory.bytes(ring.driver + 2n, 2).buffer).getUint16(0, true);
}

/** Whether a split ring moves within some seconds. */
export async function moves(memory: GuestMemory, ring: RingConfig, seconds = 2): Promise<boolean> {
  const first = availableIndex(memory, ring);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    await new Promise((done) => setTimeout(done, 20));
    if (availableIndex(memory, ring) !== first) return true;
  }
  return false;
}
