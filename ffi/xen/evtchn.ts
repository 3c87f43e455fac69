/**
 * /dev/xen/evtchn: event channels.
 *
 * @module
 */
import { POLLIN } from "../constants.ts";
import type { Sys } from "../sys.ts";
import { openXenDevice, type XenDevice } from "./device.ts";
import { EVTCHN_BIND_INTERDOMAIN } from "./layout.ts";

/** An open evtchn. Disposing unbinds every port that was bound with it. */
export interface Evtchn extends Disposable {
  /** For poll: readable while an event is pending. */
  readonly fd: number;
  /**
   * Binds a port that `domain` left unbound for us. Returns our port. Binding makes one event
   * pending at the other side. Throws `SyscallError`: EINVAL the port is not one for us to bind,
   * ESRCH no such domain.
   */
  bindInterdomain(domain: number, port: number): number;
  /** Makes a port that `domain` may bind. Returns it. */
  bindUnbound(domain: number): number;
  /** Sends an event. ENOTCONN for a port that is not bound here. */
  notify(port: number): void;
  unbind(port: number): void;
  /** Ports with an event, at most 1024, without waiting. They stay masked until `unmask`. */
  pending(): number[];
  unmask(ports: readonly number[]): void;
  /** Waits until an event is pending; false after `timeoutMs`. */
  wait(timeoutMs: number): Promise<boolean>;
  /** Takes another fd's rights from this one: only `domain` may be bound. Final. */
  restrict(domain: number): void;
}

const REMEDIES: { readonly [errno: string]: string } = {
  EINVAL: "the port is closed, bound already, or was made for another domain",
  ESRCH: "no such domain: it may have been destroyed meanwhile",
  ENOTCONN: "the port is not bound by this process",
  EACCES: "this fd is restricted to another domain",
  ENOSPC: "the domain has no free event channel",
};

/** Opens evtchn. Throws `SyscallError` with the remedy where there is no Xen or no right. */
export function openEvtchn(sys: Sys): Evtchn {
  const device = openXenDevice(sys, ["/dev/xen/evtchn"], true);
  const call = (name: Parameters<XenDevice["ioctl"]>[0], object: string, ...words: number[]) =>
    device.ioctl(name, new Uint8Array(Uint32Array.from(words).buffer), object, REMEDIES);
  return {
    fd: device.fd,
    bindInterdomain: (domain, port) => bindInterdomain(device, domain, port),
    bindUnbound: (domain) => call("EVTCHN_BIND_UNBOUND_PORT", `domain ${domain}`, domain),
    notify: (port) => void call("EVTCHN_NOTIFY", `port ${port}`, port),
    unbind: (port) => void call("EVTCHN_UNBIND", `port ${port}`, port),
    pending: () => readPorts(sys, device.fd),
    unmask: (ports) => unmask(sys, device.fd, ports),
    wait: async (timeoutMs) => {
      const [events] = await sys.poll([{ fd: device.fd, events: POLLIN }], timeoutMs);
      return (events & POLLIN) !== 0;
    },
    restrict: (domain) =>
      void device.ioctl(
        "EVTCHN_RESTRICT_DOMID",
        new Uint8Array(Uint16Array.of(domain).buffer),
        `domain ${domain}`,
        REMEDIES,
      ),
    [Symbol.dispose]: () => device[Symbol.dispose](),
  };
}

function bindInterdomain(device: XenDevice, domain: number, port: number): number {
  const argument = new DataView(new ArrayBuffer(EVTCHN_BIND_INTERDOMAIN.SIZE));
  argument.setUint32(EVTCHN_BIND_INTERDOMAIN.remote_domain, domain, true);
  argument.setUint32(EVTCHN_BIND_INTERDOMAIN.remote_port, port, true);
  const bytes = new Uint8Array(argument.buffer);
  return device.ioctl("EVTCHN_BIND_INTERDOMAIN", bytes, `domain ${domain}, port ${port}`, REMEDIES);
}

/** The fd blocks, so it is asked first whether a read would. */
function readPorts(sys: Sys, fd: number): number[] {
  if ((sys.pollNow([{ fd, events: POLLIN }])[0] & POLLIN) === 0) return [];
  const bytes = new Uint8Array(4096);
  const length = sys.read(fd, bytes);
  return Array.from(new Uint32Array(bytes.buffer, 0, length >>> 2));
}

/** Writing a port back unmasks it. A port that was unbound meanwhile is ignored by the kernel. */
function unmask(sys: Sys, fd: number, ports: readonly number[]): void {
  if (ports.length > 0) sys.write(fd, new Uint8Array(Uint32Array.from(ports).buffer));
}
