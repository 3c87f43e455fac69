/**
 * Every way to notify a queue that this version knows, whatever the hypervisor.
 *
 * @module
 */
import type { Kick } from "./kick.ts";

/** Names as `--via` takes them, best first, and where each is at home. */
const HOME: Readonly<Record<string, string>> = {
  eventfd: "queues whose eventfd is known: proc:PID, vhost:SOCKET, layouts with kick_fd",
  ioeventfd: "QEMU's own queues: qemu:PID",
  evtchn: "Xen's event channels: xen:DOMID",
  doorbell: "ivshmem: ivshmem:SOCKET, or pci:ADDRESS of an ivshmem device inside a guest",
  notify: "virtio devices seen from inside their guest: pci:ADDRESS, mmio:NAME",
  "port-io": "legacy virtio devices seen from inside their guest: pci:ADDRESS",
  "monitor-port": "QEMU's legacy virtio-pci devices: qemu:PID",
  monitor: "QEMU: qemu:PID",
};

/** All names, best first. */
export const KICK_WAYS: readonly string[] = Object.keys(HOME);

/** The ways of a queue, and after them those that only other targets have, which are not possible. */
export function everyWay(ways: readonly Kick[]): Kick[] {
  const own = new Set(ways.map(({ name }) => name));
  return [...ways, ...KICK_WAYS.filter((name) => !own.has(name)).map(elsewhere)];
}

function elsewhere(name: string): Kick {
  const possible = `not for this target, but for ${HOME[name]}`;
  return {
    name,
    lastResort: false,
    possible,
    describe: () => `${name}: ${possible}`,
    send: () => Promise.reject(new Error(`${name}: ${possible}`)),
  };
}
