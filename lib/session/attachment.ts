/**
 * Something that a session holds, attached from another process. Memory of files is mapped here, by
 * fds that the session passes; everything else is asked for. When the session ends, so does this.
 *
 * @module
 */
import { closeAll, Fd } from "../../ffi/fd.ts";
import { FileBacking } from "../../ffi/file_backing.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { Sys } from "../../ffi/sys.ts";
import { guestAddress, userAddress } from "../address.ts";
import { SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import type { Target } from "../guest/target.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import type { Backing } from "../memory/backing.ts";
import { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import { RegionTable } from "../memory/region_table.ts";
import { openXenRing } from "../ring/xen/ring.ts";
import type { XenRing } from "../ring/xen/snapshot.ts";
import { Generations } from "../source/generations.ts";
import type { Attachment, AttachOptions, Interrupts, Monitor } from "../source/source.ts";
import { connectSession } from "./connect.ts";
import type { Connection } from "./connection.ts";
import type {
  MemoryAnswer,
  OpenAnswer,
  RingAnswer,
  WireBacking,
  WireDevice,
  WireKick,
  WireQueue,
} from "./protocol.ts";
import { remoteBacking } from "./remote_backing.ts";

/** Attaches `name` of `session`. Throws what `connectSession` throws, and the session's own errors. */
export async function attachHeld(
  name: string,
  session: string,
  target: Target,
  options: AttachOptions,
): Promise<Attachment> {
  const { sys, signal, log } = options;
  using undo = new DisposableStack();
  const connect = async () => undo.use(await connectSession({ sys, name: session, signal, log }));
  // Reads block, and must not wait behind a question to a monitor.
  const control = await connect();
  const reader = await connect();
  const { value } = await control.ask<OpenAnswer>({ do: "open", name });
  if (options.write && !value.write) throw heldReadOnly(name, session);
  log(`${target.what}: held by process ${control.greeting.pid}`);
  const parts = { name, target, options, control, reader, resources: undo.move() };
  return new SessionAttachment(parts, value);
}

function heldReadOnly(name: string, session: string): SourceError {
  const text = `${name}@${session} is held read-only`;
  const remedy = `map it with --write --session ${session}`;
  return new SourceError("session", "open", "permission", text, remedy);
}

interface Parts {
  readonly name: string;
  readonly target: Target;
  readonly options: AttachOptions;
  readonly control: Connection;
  readonly reader: Connection;
  readonly resources: DisposableStack;
}

class SessionAttachment implements Attachment {
  readonly target: Target;
  readonly origin: string;
  readonly monitor?: Monitor;
  readonly kicks?: Attachment["kicks"];
  readonly interrupts?: Interrupts;
  devices: readonly Device[];
  note: string;
  #seen: { generation: number; memory: GuestMemory } | null = null;
  #checked = false;
  readonly #held = new Generations<DisposableStack>();

  constructor(private readonly parts: Parts, answer: OpenAnswer) {
    this.target = parts.target;
    this.origin = answer.of;
    this.devices = this.#devicesOf(answer.devices);
    this.note = answer.note;
    if (answer.monitor) this.monitor = monitorOf(parts);
    if (answer.interrupts) this.interrupts = interruptsOf(parts);
    if (answer.kicks) this.kicks = (device, queue, side) => kicksOf(parts, device, queue, side);
  }

  /** Asked for at the first use: finding a Xen guest's takes a while. Throws `SourceError`. */
  get memory(): GuestMemory {
    if (this.#checked && this.#seen !== null) return this.#seen.memory;
    const { name, reader } = this.parts;
    const known = this.#seen?.generation ?? 0;
    const { value, fds } = reader.askNow<MemoryAnswer | null>({ do: "memory", name, known });
    if (value !== null) {
      using files = new DisposableStack();
      const memory = openMemory(this.parts, value, fds, files);
      this.#held.put(files.move());
      this.#seen = { generation: value.generation, memory };
    }
    this.#checked = true;
    return this.#seen!.memory;
  }

  get writable(): WritableGuestMemory | null {
    if (!this.parts.options.write) return null;
    const { memory } = this;
    return memory instanceof WritableGuestMemory ? memory : null;
  }

  /** Memory that another takes the place of stays mapped until the refresh after. */
  async refresh(): Promise<void> {
    this.#held.forget();
    const { name, control } = this.parts;
    const { value } = await control.ask<OpenAnswer>({ do: "refresh", name });
    this.devices = this.#devicesOf(value.devices);
    this.note = value.note;
    this.#checked = false;
  }

  // deno-lint-ignore require-await
  async [Symbol.asyncDispose](): Promise<void> {
    using _resources = this.parts.resources;
    this.#held[Symbol.dispose]();
  }

  #devicesOf(devices: readonly WireDevice[]): Device[] {
    return devices.map((device) => ({
      ...device,
      queues: device.queues.map((queue) => queueOf(this.parts, device, queue)),
    }));
  }
}

function queueOf(parts: Parts, { name: device }: WireDevice, wire: WireQueue): Queue {
  const { xen, ...queue } = wire;
  if (xen === null) return queue;
  const { opens, ...rest } = xen;
  let ring: XenRing | null = null;
  const open = () => ring ??= openRing(parts, device, queue.index);
  return { ...queue, xen: { ...rest, open: opens ? open : null } };
}

function openRing(parts: Parts, device: string, queue: number): XenRing {
  const { name, reader } = parts;
  const { value, fds } = reader.askNow<RingAnswer>({ do: "ring", name, device, queue });
  const { kind, abi, pages } = value;
  const [backing] = openBackings(parts, [pages], fds, parts.resources, NONE);
  return openXenRing({ kind, abi, pages: backing });
}

function openMemory(
  parts: Parts,
  answer: MemoryAnswer,
  fds: readonly number[],
  files: DisposableStack,
): GuestMemory {
  const { write } = parts.options;
  const writable = write ? writableOf(answer) : NONE;
  const backings = openBackings(parts, answer.backings, fds, files, writable);
  const regions = answer.regions.map((region) => ({
    ...region,
    guest: guestAddress(region.guest),
    user: region.user === null ? null : userAddress(region.user),
    backing: backings[region.backing],
  }));
  const table = new RegionTable(regions).narrow(write ? "rw" : "ro");
  return write ? new WritableGuestMemory(table, answer.name) : new GuestMemory(table, answer.name);
}

/** No backing is mapped writable. */
const NONE: ReadonlySet<number> = new Set();

/** Places of the backings that some region may write: the session has no other's fd for writing. */
function writableOf({ regions }: MemoryAnswer): ReadonlySet<number> {
  return new Set(regions.filter(({ access }) => access === "rw").map(({ backing }) => backing));
}

/** Takes the fds over: each is a backing's, or closed. */
function openBackings(
  parts: Parts,
  backings: readonly WireBacking[],
  fds: readonly number[],
  files: DisposableStack,
  writable: ReadonlySet<number>,
): Backing[] {
  const { options: { sys }, reader, name } = parts;
  const left = new Set(fds);
  try {
    return backings.map((backing, n) => {
      if (backing.fd === null) return remoteBacking(reader, name, backing);
      const number = fds[backing.fd];
      left.delete(number);
      return files.use(openFile(sys, backing, new Fd(sys, number), writable.has(n)));
    });
  } finally {
    closeAll(sys, left);
  }
}

function openFile(
  sys: Sys,
  { label, length, pageSize, start, maps }: WireBacking,
  fd: Fd,
  writable: boolean,
): Mapping | FileBacking {
  if (maps) return Mapping.open({ sys, fd, offset: start, length, writable, label });
  return new FileBacking({ sys, fd, offset: start, length, pageSize, label });
}

function monitorOf({ name, control }: Parts): Monitor {
  return {
    async execute(command, args) {
      const given = args ?? null;
      return (await control.ask({ do: "monitor", name, command, arguments: given })).value;
    },
  };
}

function interruptsOf({ name, control, reader }: Parts): Interrupts {
  const question = { do: "interrupts", name } as const;
  return {
    get counts() {
      return reader.askNow<readonly bigint[]>({ ...question, seen: [], wait: 0 }).value;
    },
    async wait(seen, timeoutMs) {
      const end = performance.now() + timeoutMs;
      for (let left = timeoutMs; left > 0; left = end - performance.now()) {
        const { value } = await control.ask<readonly bigint[]>({ ...question, seen, wait: left });
        if (value.some((count, vector) => count > (seen[vector] ?? 0n))) return;
      }
    },
  };
}

function kicksOf(
  { name, reader, control }: Parts,
  { name: device }: Device,
  { index: queue }: Queue,
  side: KickSide,
): Kick[] {
  const place = { name, device, queue, side } as const;
  const { value } = reader.askNow<readonly WireKick[]>({ do: "kicks", ...place });
  return value.map(({ describe, ...kick }) => ({
    ...kick,
    describe: () => describe,
    async send() {
      const question = { do: "kick", ...place, way: kick.name } as const;
      return { evidence: (await control.ask<readonly string[]>(question)).value };
    },
  }));
}
