/**
 * Whether each kind of target can be had here, and each way to kick: from what was tried before, and
 * from the guests that are there.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import type { Guest } from "../guest/guest.ts";
import type { Kick } from "../kick/kick.ts";
import { portKick } from "../kick/port_io.ts";
import { virtioMmioKick } from "../kick/virtio_mmio.ts";
import { virtioPciKick } from "../kick/virtio_pci.ts";
import { enumerate } from "../transport/enumerate.ts";
import { sysfsReader } from "../transport/sysfs_reader.ts";
import { absent, both, type Check, good, limited, missing, type Outcome, tried } from "./check.ts";

const INSIDE = "only of use inside of a guest";

/** What was found out before. */
export interface Known {
  readonly memfd: Outcome;
  readonly shm: Outcome;
  readonly other: Outcome;
  readonly takeFd: Outcome;
  readonly xen: Readonly<Record<string, Outcome>>;
  readonly guests: readonly Guest[];
}

/** A line per scheme. */
export function sourceChecks(sys: Sys, known: Known): Check[] {
  const { memfd, shm, other, guests } = known;
  const lines: Record<string, Outcome> = {
    file: said(memfd, "RAM files are mapped, read-only unless told otherwise"),
    shm: said(shm, "RAM files in /dev/shm"),
    core: good("ELF dumps, and kdump-compressed ones"),
    qemu: qemu(guests, other),
    proc: said(other, "memory and layouts of processes"),
    vhost: said(passFd(sys), "taps, back-ends; memory comes as fds"),
    ivshmem: said(passFd(sys), "clients and servers; memory comes as fds"),
    xen: said(both(known.xen.privcmd, known.xen.xenbus), "domains of this host"),
    pci: inside(sys, "pci"),
    mmio: inside(sys, "mmio"),
    ccw: inside(sys, "ccw"),
  };
  return Object.entries(lines).map(([name, line]) => ({ area: "source", name, ...line }));
}

/** A line per way to notify. */
export function kickChecks(sys: Sys, known: Known): Check[] {
  const { other, takeFd, guests } = known;
  const monitor = qemu(guests, other);
  const lines: Record<string, Outcome> = {
    eventfd: said(takeFd, "eventfds whose number is known"),
    ioeventfd: said(both(takeFd, other), "eventfds that are found in QEMU's memory"),
    evtchn: said(known.xen.evtchn, "event channels of Xen"),
    doorbell: said(passFd(sys), "ivshmem peers"),
    notify: registers(sys),
    "port-io": ports(sys),
    "monitor-port": monitor,
    monitor,
  };
  return Object.entries(lines).map(([name, line]) => ({ area: "kick", name, ...line }));
}

/** What is well is told in the words of this line. */
function said(outcome: Outcome, detail: string): Outcome {
  return outcome.state === "ok" ? good(detail) : outcome;
}

function qemu(guests: readonly Guest[], other: Outcome): Outcome {
  const found = guests.filter(({ kind }) => kind === "qemu");
  const silent = found.filter(({ note }) => note !== "");
  if (found.length === 0) {
    return other.state === "ok"
      ? good("no QEMU runs now; its memory and monitor could be read")
      : other;
  }
  const count = `${found.length - silent.length} of ${found.length} QEMUs tell their devices`;
  return silent.length === 0
    ? good(count)
    : limited(count, `of ${silent[0].target}: ${silent[0].note}`);
}

/** An fd over a Unix socket: how peers hand us their memory. */
function passFd(sys: Sys): Outcome {
  return tried("an fd was passed over a socket", () => {
    const fds = [...sys.socketpair(), sys.eventfd(0, 0)];
    try {
      sys.sendmsg(fds[0], new Uint8Array(1), [fds[2]]);
      fds.push(...sys.recvmsg(fds[1], new Uint8Array(1), 1)?.fds ?? []);
    } finally {
      fds.forEach((fd) => sys.close(fd));
    }
  });
}

/** Virtio devices that this machine itself has: it is a guest, then. */
function inside(sys: Sys, bus: "pci" | "mmio" | "ccw"): Outcome {
  const devices = enumerate(sysfsReader(sys)).filter((device) => device.bus === bus);
  if (devices.length > 0) return good(`${devices.length} devices of this machine itself`);
  return absent(`no virtio device on ${bus} here`, INSIDE);
}

/** Maps the registers of each of our own devices, and writes nothing. */
function registers(sys: Sys): Outcome {
  const ways = enumerate(sysfsReader(sys)).flatMap((device): Kick[] => {
    if (device.bus === "ccw") return [];
    return device.bus === "pci"
      ? [virtioPciKick(sys, device, 0, "kick")]
      : [virtioMmioKick(sys, device, 0, "kick")];
  });
  if (ways.length === 0) return absent("no virtio device here", INSIDE);
  const refused = ways.filter(({ possible }) => possible !== true);
  if (refused.length === 0) return good(`registers of ${ways.length} devices can be written`);
  const [{ possible, remedy }] = refused;
  return missing(`${refused.length} of ${ways.length} devices: ${possible}`, remedy || INSIDE);
}

/** Devices of our own that have the ports of legacy virtio. */
function ports(sys: Sys): Outcome {
  const legacy = enumerate(sysfsReader(sys)).filter((device) =>
    device.bus === "pci" && portKick(sys, device, 0, "kick").possible === true
  );
  if (legacy.length === 0) return absent("no legacy virtio device here", INSIDE);
  return sys.uid === 0
    ? good(`${legacy.length} devices have ports`)
    : missing(`${legacy.length} devices have ports`, "run as root");
}
