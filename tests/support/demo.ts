/**
 * Demo guests for tests: attached in the same process, each under a name of its own.
 *
 * @module
 */
import { type Demo, type DemoOptions, startDemo } from "../../lib/demo/demo.ts";
import { parseTarget } from "../../lib/guest/target.ts";
import { procSource } from "../../lib/source/proc.ts";
import type { Device, Queue } from "../../lib/guest/guest.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { sys, uniqueName } from "./host.ts";

/** Starts a demo that no other test sees. */
export function ownDemo(options: DemoOptions = {}): Promise<Demo> {
  return startDemo({ name: uniqueName(), ...options });
}

/** Attaches a target by way of /proc, as another process would. */
export function attachProc(
  text: string,
  options: { write?: boolean; layout?: string } = {},
): Promise<Attachment> {
  const target = parseTarget(text, () => false);
  const { write = false, layout = null } = options;
  return procSource.attach(target, { sys, write, layout, signal: null, log: () => {} });
}

/** A queue by `DEVICE:INDEX`. */
export function queueOf(devices: readonly Device[], text: string): Queue {
  const [name, index] = text.split(":");
  const device = devices.find((one) => one.name === name);
  const queue = device?.queues.find((one) => one.index === Number(index));
  if (queue === undefined) throw new Error(`no queue ${text}`);
  return queue;
}

/** Notifications in an eventfd of this process that nobody has taken. */
export function pendingIn(fd: number): bigint {
  const match = /^eventfd-count:\s*([0-9a-f]+)$/m.exec(sys.readText(`/proc/self/fdinfo/${fd}`));
  if (match === null) throw new Error(`fd ${fd} is no eventfd`);
  return BigInt("0x" + match[1]);
}

/** Waits, for a guest to go on. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
