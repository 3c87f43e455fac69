/**
 * `qemu:PID` and `qemu:QMP_SOCKET`: a live QEMU, whatever runs it. Found by its process, understood by
 * its monitor, read by its files and, where it has none, by its process's memory.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Guest } from "../guest/guest.ts";
import { answer, text, unsigned64 } from "../wire/qmp/answer.ts";
import { attachQemu } from "./qemu_attachment.ts";
import { readDevices } from "./qemu_devices.ts";
import { openMonitor, resolveGuest } from "./qemu_guest.ts";
import type { QmpMonitor } from "./qemu_monitor.ts";
import { listQemu, type QemuProcess } from "./qemu_process.ts";
import type { FindGuestsOptions, Source } from "./source.ts";

/** Guests asked at the same time: each may keep us waiting for its greeting. */
const AT_ONCE = 8;

/** The QEMU source. */
export const qemuSource: Source = {
  scheme: "qemu",
  summary: "a live QEMU by its pid or QMP socket; devices, rings and memory are discovered",
  find: findGuests,
  async attach(target, options) {
    return await attachQemu(await resolveGuest(target.what, options), target, options);
  },
};

/** Every QEMU on this host. Reads command lines and asks monitors; never touches guest memory. */
async function findGuests(options: FindGuestsOptions): Promise<Guest[]> {
  const waiting = listQemu(options.sys).entries();
  const guests: Guest[] = [];
  const work = async () => {
    for (const [index, process] of waiting) guests[index] = await describe(process, options);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return guests;
}

async function describe(process: QemuProcess, options: FindGuestsOptions): Promise<Guest> {
  const told = {
    target: `qemu:${process.pid}`,
    name: process.options.name,
    kind: "qemu",
    pid: process.pid,
    state: "",
    memory: process.options.memory,
    devices: [],
    note: "",
  };
  if (options.devicesOf?.(told.target) === false) return told;
  try {
    using monitor = await openMonitor({ process, socket: null }, options);
    return { ...told, ...await stateAndMemory(monitor), ...await readDevices(monitor) };
  } catch (error) {
    options.signal?.throwIfAborted();
    return { ...told, note: whyNot(error) };
  }
}

/** One guest that can not be asked is a note in the list, whatever is wrong with its monitor. */
function whyNot(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  const remedy = error instanceof SourceError ? error.remedy : "";
  return [error.message, remedy].filter((part) => part !== "").join(". ");
}

async function stateAndMemory(monitor: QmpMonitor): Promise<Partial<Guest>> {
  const [status, size] = await monitor.ask([
    { name: "query-status" },
    { name: "query-memory-size-summary" },
  ]);
  const summary = size.ok ? answer("query-memory-size-summary", size.value) : null;
  const plugged = summary?.value["plugged-memory"] === undefined
    ? 0n
    : unsigned64(summary, "plugged-memory");
  return {
    state: status.ok ? text(answer("query-status", status.value), "status") : "",
    ...(summary === null ? {} : { memory: unsigned64(summary, "base-memory") + plugged }),
  };
}
