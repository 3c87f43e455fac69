/**
 * From the device and queue of a target to those of a guest.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { nearestWord } from "../nearest.ts";
import type { Device, Queue } from "./guest.ts";
import type { Target } from "./target.ts";

/** A queue, its device, and the target that names just it. */
export interface SelectedQueue {
  readonly device: Device;
  readonly queue: Queue;
  /** `qemu:4242/blk0:0`. */
  readonly target: string;
}

/** The target without device and queue: `qemu:4242`. */
export function guestTarget(target: Target): string {
  return target.scheme === "session" ? target.what : `${target.scheme}:${target.what}`;
}

/** Devices that a target names: one, or all. Throws `SourceError` (not-found) for an unknown one. */
export function selectDevices(devices: readonly Device[], target: Target): readonly Device[] {
  if (target.device === null) return devices;
  const found = devices.filter((device) => device.name === target.device);
  if (found.length > 0) return found;
  throw new SourceError(
    target.scheme,
    "select device",
    "not-found",
    `no device "${target.device}" in ${guestTarget(target)}`,
    meant(target.device, devices.map((device) => device.name), "devices"),
  );
}

/**
 * Queues that a target names: one by index or by name, all of a device, or all of a guest. Throws
 * `SourceError` (not-found) for an unknown one.
 */
export function selectQueues(devices: readonly Device[], target: Target): SelectedQueue[] {
  const guest = guestTarget(target);
  const all = selectDevices(devices, target).flatMap((device) =>
    device.queues.map((queue) => ({
      device,
      queue,
      target: `${guest}/${device.name}:${queue.index}`,
    }))
  );
  if (target.queue === null) return all;
  const found = all.filter(({ queue }) => isNamed(queue, target.queue as string));
  if (found.length > 0) return found;
  throw new SourceError(
    target.scheme,
    "select queue",
    "not-found",
    `no queue "${target.queue}" in ${guest}/${target.device}`,
    known(all.map(({ queue }) => `${queue.index} (${queue.name})`), "queues"),
  );
}

/** The one queue that a target must name. Throws `SourceError` where it names none or several. */
export function selectQueue(devices: readonly Device[], target: Target): SelectedQueue {
  const found = selectQueues(devices, target);
  if (found.length === 1) return found[0];
  throw new SourceError(
    target.scheme,
    "select queue",
    "not-found",
    `${target.text} names ${found.length} queues, and one is wanted`,
    known(found.map((selected) => selected.target), "queues"),
  );
}

function isNamed(queue: Queue, text: string): boolean {
  return /^[0-9]+$/.test(text) ? queue.index === Number(text) : queue.name === text;
}

/** The name that was probably meant, and all there are. */
function meant(word: string, names: readonly string[], what: string): string {
  const nearest = nearestWord(word, names);
  const all = known(names, what);
  return nearest === null ? all : `did you mean ${nearest}? ${all}`;
}

function known(names: readonly string[], what: string): string {
  const shown = names.slice(0, 16).join(", ") + (names.length > 16 ? ", …" : "");
  return names.length === 0 ? `there are no ${what}` : `${what}: ${shown}`;
}

/**
 * Throws `SourceError` (not-found) where a target names a device or queue that the guest does not
 * have: also for what concerns the whole guest, since a wrong name is a mistake.
 */
export function checkNamed(devices: readonly Device[], target: Target): void {
  if (target.device !== null) selectQueues(devices, target);
}
