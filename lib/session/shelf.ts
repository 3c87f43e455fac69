/**
 * What a session shows of one attachment: its memory as regions over backings. A backing that is a
 * file's goes to the client as an fd, to be mapped there; any other is read by asking.
 *
 * @module
 */
import { closeAll } from "../../ffi/fd.ts";
import { FileBacking } from "../../ffi/file_backing.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { Sys } from "../../ffi/sys.ts";
import type { Backing } from "../memory/backing.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { Device, Queue } from "../guest/guest.ts";
import type { Attachment } from "../source/source.ts";
import type {
  MemoryAnswer,
  OpenAnswer,
  RingAnswer,
  WireBacking,
  WireDevice,
  WireQueue,
} from "./protocol.ts";
import { FD_LIMIT } from "./protocol.ts";

/** An answer's value, and the fds that go with it, which are the receiver's to close. */
export interface Described<T> {
  readonly value: T;
  readonly fds: readonly number[];
}

/** See the module. */
export interface Shelf {
  /** Regions and backings; a new generation where the attachment's memory is another by now. */
  memory(known: number): Described<MemoryAnswer | null>;
  /** Opens a queue's ring of Xen. `queue` has one. */
  ring(device: Device, queue: Queue): Described<RingAnswer>;
  /** The backing that was told by this id; null where it was replaced since. */
  backing(id: number): Backing | null;
}

/** The shelf of one attachment. */
export function createShelf(sys: Pick<Sys, "dup" | "close">, attachment: Attachment): Shelf {
  const known = new Map<number, Backing>();
  const rings = new Map<string, number>();
  let current: { memory: GuestMemory; generation: number; ids: number[] } | null = null;
  let lastId = 0;

  function put(backing: Backing): number {
    known.set(++lastId, backing);
    return lastId;
  }

  /** Backings of an old memory may be closed any time: their ids are not known any more. */
  function renew(memory: GuestMemory): { generation: number; ids: number[]; list: Backing[] } {
    const list = [...new Set(memory.table.regions.map(({ backing }) => backing))];
    if (current?.memory !== memory) {
      current?.ids.forEach((id) => known.delete(id));
      const generation = (current?.generation ?? 0) + 1;
      current = { memory, generation, ids: list.map(put) };
    }
    return { ...current, list };
  }

  function memory(have: number): Described<MemoryAnswer | null> {
    const { memory } = attachment;
    const { generation, ids, list } = renew(memory);
    if (generation === have) return { value: null, fds: [] };
    const { value: backings, fds } = describeAll(sys, list, ids);
    const regions = memory.table.regions.map((region) => ({
      ...region,
      backing: list.indexOf(region.backing),
    }));
    return { value: { generation, name: memory.name, backings, regions }, fds };
  }

  function ring(device: Device, queue: Queue): Described<RingAnswer> {
    const { kind, abi, pages } = queue.xen!.open!().config;
    const key = `${device.name}:${queue.index}`;
    const old = rings.get(key);
    const same = old !== undefined && known.get(old) === pages;
    if (old !== undefined && !same) known.delete(old);
    const id = same ? old : put(pages);
    rings.set(key, id);
    const { value, fds } = describeAll(sys, [pages], [id]);
    return { value: { kind, abi, pages: value[0] }, fds };
  }

  return { memory, ring, backing: (id) => known.get(id) ?? null };
}

/** Every backing; those of files with an fd of the answer's own, as what is held may be closed. */
function describeAll(
  sys: Pick<Sys, "dup" | "close">,
  backings: readonly Backing[],
  ids: readonly number[],
): Described<WireBacking[]> {
  const fds: number[] = [];
  try {
    return { value: backings.map((backing, n) => describe(sys, backing, ids[n], fds)), fds };
  } catch (error) {
    closeAll(sys, fds);
    throw error;
  }
}

function describe(
  sys: Pick<Sys, "dup">,
  backing: Backing,
  id: number,
  fds: number[],
): WireBacking {
  const { label, length, pageSize, gaps } = backing;
  const maps = backing instanceof Mapping;
  const file = maps || backing instanceof FileBacking;
  const origin = file && fds.length < FD_LIMIT ? backing.origin() : null;
  const fd = origin === null ? null : fds.push(sys.dup(origin.fd)) - 1;
  return { id, label, length, pageSize, gaps, fd, start: origin?.offset ?? 0, maps };
}

/** Devices, and what else the attachment can do. */
export function describeAttachment(
  attachment: Attachment,
  of: string,
  note: string,
): OpenAnswer {
  const notes = [attachment.note ?? "", note].filter((text) => text !== "");
  return {
    of,
    devices: attachment.devices.map(describeDevice),
    note: notes.join("; "),
    write: attachment.writable !== null,
    monitor: attachment.monitor !== undefined,
    kicks: attachment.kicks !== undefined,
    interrupts: attachment.interrupts !== undefined,
  };
}

function describeDevice(device: Device): WireDevice {
  return { ...device, queues: device.queues.map(describeQueue) };
}

function describeQueue({ xen, ...queue }: Queue): WireQueue {
  if (xen === undefined) return { ...queue, xen: null };
  const { open, ...rest } = xen;
  return { ...queue, xen: { ...rest, opens: open !== null } };
}
