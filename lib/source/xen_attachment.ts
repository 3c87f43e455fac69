/**
 * A Xen domain held: its devices known, its memory found and its rings mapped when they are asked for.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import type { Target } from "../guest/target.ts";
import { evtchnKick } from "../kick/evtchn.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import type { Region } from "../memory/region.ts";
import { RegionTable } from "../memory/region_table.ts";
import type { XenRing } from "../ring/xen/snapshot.ts";
import { readXenDevices, type XenDevice, type XenRingPlace } from "../xen/devices.ts";
import { grantRegions, openGrantWindow } from "../xen/granted_memory.ts";
import { assertDomain, domainInfo, openXenHost, type XenHost } from "../xen/host.ts";
import { findFrames, frameRegions, openFrameWindow } from "../xen/memory.ts";
import { mapPart } from "../xen/part.ts";
import { readGrantTable } from "../xen/read_grants.ts";
import { type MappedRing, mapRing, placeText } from "../xen/rings.ts";
import { openStore, type Xenstore } from "../xen/store.ts";
import { readLayout } from "./file.ts";
import { layoutDevices } from "./layout.ts";
import type { Attachment, AttachOptions, DomainPart } from "./source.ts";
import { deviceModelDevices } from "./xen_device_model.ts";
import { commonDevice, portDevice } from "./xen_devices.ts";

/** Attaches to a domain. Throws `SourceError`; nothing stays open then. */
export async function attachXen(
  domain: number,
  target: Target,
  options: AttachOptions,
): Promise<Attachment> {
  using undo = new DisposableStack();
  const host = undo.use(openXenHost(options.sys, options.write));
  assertDomain(host, domain);
  const { store, note } = storeOrNote(options);
  if (store !== null) undo.use(store);
  const xen = { domain, target, options, host, store, note, resources: undo.move() };
  const attachment = new XenAttachment(xen);
  try {
    await attachment.refresh();
    // A list of somebody who waits for it: what can not be mapped is said now.
    if (xen.options.part) attachment.memory;
  } catch (error) {
    await attachment[Symbol.asyncDispose]();
    throw error;
  }
  return attachment;
}

/** Memory and grants need no xenstore. */
function storeOrNote({ sys, log }: AttachOptions): { store: Xenstore | null; note: string } {
  try {
    return { store: openStore({ sys }), note: "" };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    const note = [error.message, error.remedy].filter((part) => part !== "").join("; ");
    log(`${note}: devices are not known`);
    return { store: null, note };
  }
}

interface Held {
  readonly domain: number;
  readonly target: Target;
  readonly options: AttachOptions;
  readonly host: XenHost;
  readonly store: Xenstore | null;
  readonly note: string;
  readonly resources: DisposableStack;
}

/** Memory as it was found, with how many pages the guest had then. */
interface FoundMemory {
  readonly pages: number;
  readonly memory: GuestMemory;
  readonly close: DisposableStack;
}

/** An attachment to a Xen domain. */
class XenAttachment implements Attachment {
  readonly target: Target;
  readonly lazy = true;
  note = "";
  devices: readonly Device[] = [];
  #found: FoundMemory | null = null;
  readonly #rings = new Map<string, MappedRing>();

  constructor(private readonly held: Held) {
    this.target = held.target;
    held.resources.defer(() => this.#found?.close.dispose());
    held.resources.defer(() => this.#closeRings());
  }

  /** Found at the first use. Throws `SourceError` where it can not be. */
  get memory(): GuestMemory {
    return (this.#found ??= findMemory(this.held)).memory;
  }

  get writable(): WritableGuestMemory | null {
    const { memory } = this;
    return memory instanceof WritableGuestMemory ? memory : null;
  }

  /** A guest whose number of pages changed has its memory found again. */
  async refresh(): Promise<void> {
    const { host, domain } = this.held;
    assertDomain(host, domain);
    if (this.#found !== null) this.#forgetMemory(domainInfo(host, domain).totalPages);
    this.devices = await this.#readDevices();
  }

  kicks(_device: Device, queue: Queue, side: KickSide): readonly Kick[] {
    return queue.xen === undefined ? [] : [evtchnKick(this.held.host, queue.xen, side)];
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    this.held.resources.dispose();
  }

  #forgetMemory(pages: number): void {
    const { layout, part } = this.held.options;
    if (this.#found === null || part || this.#found.pages === pages && layout === null) return;
    this.#found.close.dispose();
    this.#found = null;
  }

  async #readDevices(): Promise<Device[]> {
    const { store, domain, options, target } = this.held;
    const open = (device: XenDevice, place: XenRingPlace) => this.#ring(device, place);
    const found = store === null ? [] : await readXenDevices(store, domain);
    const named = target.device === null ? null : portDevice(domain, target.device);
    const layout = options.layout === null
      ? []
      : layoutDevices(readLayout(options.sys, "xen", options.layout, "optional"), null);
    const common = found.map((device) => commonDevice(domain, device, open));
    this.#dropRings(
      new Set(found.flatMap((device) => device.rings.map((ring) => key(device, ring)))),
    );
    const model = await deviceModelDevices(domain, options);
    this.note = [this.held.note, model.note].filter((note) => note !== "").join("; ");
    return [...common, ...model.devices, ...layout, ...named === null ? [] : [named]];
  }

  /** A ring is mapped once, and again when its place has changed. */
  #ring(device: XenDevice, place: XenRingPlace): XenRing {
    const name = key(device, place);
    const known = this.#rings.get(name) ?? mapRing(this.held.host, this.held.domain, place);
    this.#rings.set(name, known);
    return known.ring;
  }

  /** A device that was reconnected has its ring elsewhere: the guest wants the old pages back. */
  #dropRings(wanted: ReadonlySet<string>): void {
    for (const [name, ring] of this.#rings) {
      if (wanted.has(name)) continue;
      ring[Symbol.dispose]();
      this.#rings.delete(name);
    }
  }

  #closeRings(): void {
    this.#rings.forEach((ring) => ring[Symbol.dispose]());
    this.#rings.clear();
  }
}

/** What makes a ring another one. */
function key(device: XenDevice, place: XenRingPlace): string {
  return `${device.name} ${place.index} ${place.abi} ${placeText(place.pages)}`;
}

function findMemory(held: Held): FoundMemory {
  const { part } = held.options;
  return part ? findPart(held, part) : findAll(held);
}

function findPart({ host, domain, options }: Held, part: DomainPart): FoundMemory {
  using undo = new DisposableStack();
  const { regions, faults } = undo.use(mapPart(host, domain, part));
  faults.forEach(options.notice ?? options.log);
  const memory = memoryOf(regions, `${part.kind} of xen:${domain}`, options.write);
  return { pages: 0, memory, close: undo.move() };
}

function memoryOf(regions: readonly Region[], name: string, write: boolean): GuestMemory {
  const table = new RegionTable(regions);
  return write ? new WritableGuestMemory(table, name) : new GuestMemory(table, name);
}

function findAll({ host, domain, options }: Held): FoundMemory {
  using undo = new DisposableStack();
  const start = performance.now();
  const info = domainInfo(host, domain);
  const frames = findFrames(host, info, () => options.signal?.aborted ?? false);
  options.signal?.throwIfAborted();
  const window = undo.use(openFrameWindow(host, domain, frames));
  const regions = frameRegions(frames, window, options.write);
  if (options.layout !== null) {
    const grants = undo.use(openGrantWindow(host, domain));
    regions.push(...grantRegions(readGrantTable(host, domain), grants, 0, options.write));
  }
  frames.notes.forEach((line) => options.log(line));
  options.log(`memory found by ${frames.space} in ${(performance.now() - start).toFixed(0)} ms`);
  const memory = memoryOf(regions, `memory of xen:${domain}`, options.write);
  return { pages: info.totalPages, memory, close: undo.move() };
}
