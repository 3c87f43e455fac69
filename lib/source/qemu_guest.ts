/**
 * A QEMU and its monitor: finding the one from the other, and opening a conversation.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { haltedProcess } from "./halted.ts";
import { busyMonitor, connectMonitor, type QmpMonitor } from "./qemu_monitor.ts";
import { findQemu, listQemu, type QemuProcess } from "./qemu_process.ts";
import {
  isTakenNow,
  listenerOf,
  type MonitorSocket,
  monitorSockets,
  socketNamed,
} from "./qemu_sockets.ts";
import type { AttachOptions } from "./source.ts";

/** What a target names. */
export interface QemuGuest {
  readonly process: QemuProcess;
  /** The monitor to use, where the target names one; null for those of the process. */
  readonly socket: string | null;
}

type Options = Pick<AttachOptions, "sys" | "signal" | "log">;

/** Milliseconds to wait for the client of a taken monitor to leave, as another of us soon does. */
const TAKEN_MS = 300;
/** The same where it has answered us before: nobody holds it for good, but QEMU may be slow to see us go. */
export const ANSWERED_MS = 3000;
const TAKEN_STEP_MS = 5;

/**
 * The QEMU that `qemu:PID` or `qemu:QMP_SOCKET` names. Throws `SourceError`: `not-found` where no such
 * process or socket is, and what `connectMonitor` throws.
 */
export async function resolveGuest(what: string, options: Options): Promise<QemuGuest> {
  const { sys } = options;
  if (/^[0-9]{1,10}$/.test(what)) return { process: findQemu(sys, Number(what)), socket: null };
  const processes = listQemu(sys);
  const pid = listenerOf(sys, what, processes) ?? await peerOf(what, options);
  const process = processes.find((candidate) => candidate.pid === pid);
  if (process !== undefined) return { process, socket: what };
  const text = `${what} is a monitor, but of no QEMU whose process we can see`;
  const remedy = "Run on the host of that QEMU, in its pid namespace, as its user or as root";
  throw new SourceError("qemu", "find the process", "not-found", text, remedy);
}

/** A QEMU whose fds are closed to us still tells its pid as it answers. */
async function peerOf(path: string, options: Options): Promise<number> {
  using monitor = await connectMonitor(path, options);
  return monitor.peer;
}

/**
 * Opens the guest's monitor: the first that answers. One that is taken may be free within `patience`
 * milliseconds. Throws `SourceError` where none answers.
 */
export async function openMonitor(
  guest: QemuGuest,
  options: Options,
  patience: number = TAKEN_MS,
): Promise<QmpMonitor> {
  const { sys, signal, log } = options;
  const { sockets, note } = guest.socket === null
    ? monitorSockets(sys, guest.process)
    : { sockets: [socketNamed(sys, guest.process, guest.socket)], note: "" };
  if (sockets.length === 0) throw noMonitor(guest.process, note);
  const { pid } = guest.process;
  const halted = haltedProcess(sys, pid);
  if (halted !== null) {
    // Connecting would succeed, and the greeting never come: no other client is to blame for that.
    const text = `the monitor of QEMU ${pid} can not answer: ${halted.why}`;
    throw new SourceError("qemu", "ask the monitor", "busy", text, halted.remedy);
  }
  let first: unknown;
  for (const socket of sockets) {
    try {
      if (socket.taken) await waitFree(guest.process, socket, options, patience);
      return await connectMonitor(socket.path, { sys, signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Error)) throw error;
      log(error.message);
      first ??= error;
    }
  }
  throw explain(first, guest.process, sockets);
}

/**
 * Throws `SourceError` `busy` where a client stays. We do not even connect then: a connection that
 * nobody accepts would stand in the way of the next client, as QEMU queues only one.
 */
async function waitFree(
  process: QemuProcess,
  socket: MonitorSocket,
  options: Options,
  patience: number,
): Promise<void> {
  const end = performance.now() + patience;
  while (performance.now() < end) {
    await new Promise((done) => setTimeout(done, TAKEN_STEP_MS));
    options.signal?.throwIfAborted();
    if (!isTakenNow(options.sys, process, socket)) return;
  }
  throw busyMonitor(socket.path);
}

function noMonitor(process: QemuProcess, note: string): SourceError {
  const remedy = "Start it with -qmp unix:PATH,server=on,wait=off";
  const text = `QEMU ${process.pid}: ${note}`;
  return new SourceError("qemu", "find the monitor", "unsupported", text, remedy);
}

/** libvirt holds the monitor for good: its own remedies. */
function explain(
  error: unknown,
  { options, pid }: QemuProcess,
  sockets: readonly MonitorSocket[],
): unknown {
  if (!(error instanceof SourceError) || error.kind !== "busy" || !options.libvirt) return error;
  const text = `libvirt holds the monitor of QEMU ${pid} (${sockets[0].path})`;
  const remedy = `Add a second monitor to domain ${options.name}: <qemu:commandline> with ` +
    "<qemu:arg value='-qmp'/> <qemu:arg value='unix:/run/NAME.qmp,server=on,wait=off'/>; " +
    `single questions go by virsh qemu-monitor-command ${options.name} --hmp 'info virtio'`;
  return new SourceError("qemu", "greeting", "busy", text, remedy, { cause: error });
}
