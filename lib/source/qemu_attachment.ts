/**
 * A QEMU held: its memory open, its devices known.
 *
 * The monitor is held only while questions are asked (attach, refresh, execute): it serves one client
 * at a time, and the operator may need it.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import type { Target } from "../guest/target.ts";
import { ioeventfdKick } from "../kick/ioeventfd.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import { Generations } from "./generations.ts";
import { type MapsEntry, readMaps } from "./proc_maps.ts";
import { readDevices } from "./qemu_devices.ts";
import { ANSWERED_MS, openMonitor, type QemuGuest } from "./qemu_guest.ts";
import { guessRanges, type GuestRange, readRanges } from "./qemu_layout.ts";
import { otherwise } from "./qemu_monitor.ts";
import { denied, layoutSignature, openMemory, type QemuMemory } from "./qemu_memory.ts";
import { assertRunning } from "./qemu_process.ts";
import type { Attachment, AttachOptions, Monitor } from "./source.ts";

/** One reading of a QEMU, before anything is opened. */
interface Reading {
  readonly ranges: readonly GuestRange[];
  readonly entries: readonly MapsEntry[];
  readonly devices: readonly Device[];
  /** Why there are no devices; empty where there are, or where the guest has none. */
  readonly note: string;
  /** Read from /proc alone. */
  readonly guessed: boolean;
}

/** Attaches to a QEMU. Throws as `Source.attach` says; nothing stays open then. */
export async function attachQemu(
  guest: QemuGuest,
  target: Target,
  options: AttachOptions,
): Promise<Attachment> {
  const start = performance.now();
  const reading = await read(guest, options, target.device === null);
  const memory = open(guest, reading, options);
  options.log(`attached in ${(performance.now() - start).toFixed(1)} ms`);
  return new QemuAttachment(guest, target, options, reading, memory);
}

/** An attachment to a QEMU. `memory` and `devices` are those of the last refresh. */
class QemuAttachment implements Attachment {
  readonly monitor: Monitor;
  readonly #held = new Generations<QemuMemory>();
  #view: { memory: GuestMemory; writable: WritableGuestMemory | null };

  constructor(
    private readonly guest: QemuGuest,
    readonly target: Target,
    private readonly options: AttachOptions,
    private reading: Reading,
    opened: QemuMemory,
  ) {
    this.#held.put(opened);
    this.#view = this.#look();
    this.monitor = { execute: (command, args) => this.#execute(command, args) };
  }

  get pid(): number {
    return this.guest.process.pid;
  }

  get memory(): GuestMemory {
    return this.#view.memory;
  }

  get writable(): WritableGuestMemory | null {
    return this.#view.writable;
  }

  get devices(): readonly Device[] {
    return this.reading.devices;
  }

  get note(): string {
    return this.reading.note;
  }

  kicks(device: Device, queue: Queue, side: KickSide): readonly Kick[] {
    const { pid } = this.guest.process;
    const target = { pid, devices: this.devices, device, queue };
    return [ioeventfdKick(this.options.sys, target, side)];
  }

  /**
   * Where the layout has changed, the old mappings are closed by the refresh after: then reads through
   * the old `memory` fail. Where the monitor was there before and is not now, throws, and everything
   * stays as it was.
   */
  async refresh(): Promise<void> {
    this.#held.forget();
    const { guessed } = this.reading;
    const reading = await read(this.guest, this.options, guessed, !guessed);
    if (layoutSignature(reading.ranges, reading.entries) !== this.#held.now.signature) {
      this.#held.put(open(this.guest, reading, this.options));
      this.#view = this.#look();
    }
    this.reading = reading;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#held[Symbol.dispose]();
    return Promise.resolve();
  }

  #look(): { memory: GuestMemory; writable: WritableGuestMemory | null } {
    const { table } = this.#held.now;
    const name = `memory of qemu:${this.guest.process.pid}`;
    const writable = this.options.write ? new WritableGuestMemory(table, name) : null;
    return { memory: writable ?? new GuestMemory(table, name), writable };
  }

  async #execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    assertRunning(this.options.sys, this.guest.process);
    const patience = this.reading.guessed ? undefined : ANSWERED_MS;
    using monitor = await openMonitor(this.guest, this.options, patience);
    return await monitor.execute(command, args);
  }
}

/** Asks the monitor; where there is none to ask, and memory alone is good enough, asks /proc. */
async function read(
  guest: QemuGuest,
  options: AttachOptions,
  memoryIsEnough: boolean,
  answered = false,
): Promise<Reading> {
  const { sys } = options;
  assertRunning(sys, guest.process);
  try {
    return await ask(guest, options, answered ? ANSWERED_MS : undefined);
  } catch (error) {
    // It may have ended while it was asked: that says more than a closed socket.
    assertRunning(sys, guest.process);
    const unheard = error instanceof SourceError && error.stage !== "read memory" &&
      ["busy", "unsupported", "permission"].includes(error.kind);
    if (!unheard || !memoryIsEnough) throw error;
    const entries = mapsOf(guest, options);
    const ranges = guessRanges(guest.process, entries);
    const note = [error.message, error.remedy].filter((part) => part !== "").join(". ");
    options.log(`${note}; memory layout guessed from /proc`);
    return { ranges, entries, devices: [], note, guessed: true };
  }
}

async function ask(
  guest: QemuGuest,
  options: AttachOptions,
  patience?: number,
): Promise<Reading> {
  using monitor = await openMonitor(guest, options, patience);
  try {
    const ranges = await readRanges(monitor);
    // After the addresses were asked for: what they point to is mapped by then.
    const entries = mapsOf(guest, options);
    const { devices, note } = await readDevices(monitor);
    options.log(`${monitor.path}: ${monitor.roundTrips} round trips`);
    return { ranges, entries, devices, note, guessed: false };
  } catch (error) {
    throw otherwise(error, monitor.path);
  }
}

function mapsOf(guest: QemuGuest, { sys }: AttachOptions): MapsEntry[] {
  const { pid } = guest.process;
  try {
    return readMaps(sys, pid);
  } catch (error) {
    assertRunning(sys, guest.process);
    throw denied(error, pid, "memory map");
  }
}

function open(guest: QemuGuest, reading: Reading, options: AttachOptions): QemuMemory {
  const { pid } = guest.process;
  try {
    return openMemory(reading.ranges, reading.entries, { ...options, pid });
  } catch (error) {
    assertRunning(options.sys, guest.process);
    throw denied(error, pid, "memory");
  }
}
