/**
 * `ivshmem:SOCKET`: a client of an ivshmem server. Its memory is the target; its peers are the
 * devices, named by their ids, and their vectors the queues: `kick ivshmem:SOCKET/PEER:VECTOR`.
 *
 * @module
 */
import { S_IFMT, S_IFREG, S_IFSOCK } from "../../ffi/constants.ts";
import { Mapping } from "../../ffi/mapping.ts";
import { guestAddress } from "../address.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import { IvshmemClient } from "../ivshmem/client.ts";
import { ivshmemKick } from "../kick/ivshmem.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import { RegionTable } from "../memory/region_table.ts";
import { isBarSize } from "../wire/ivshmem/registers.ts";
import { refused } from "./host_file.ts";
import { findServers } from "./ivshmem_find.ts";
import type { Attachment, AttachOptions, Interrupts, Source, Target } from "./source.ts";

/** The ivshmem source. */
export const ivshmemSource: Source = {
  scheme: "ivshmem",
  summary: "a peer of an ivshmem server: its shared memory, its peers, their doorbells",
  find: ({ sys }) => Promise.resolve().then(() => findServers(sys)),
  attach: attachIvshmem,
};

async function attachIvshmem(target: Target, options: AttachOptions): Promise<Attachment> {
  const { signal, log } = options;
  await using undo = new AsyncDisposableStack();
  const client = undo.use(await connect(target, options));
  signal?.throwIfAborted();
  const mapping = undo.use(mapMemory(client, target.what, options));
  log(`peer ${client.id}${client.old ? " (server of before QEMU 2.5)" : ""}`);
  if (!isBarSize(mapping.length)) {
    log(`${mapping.length} bytes of memory are no PCI BAR: QEMU would refuse this server`);
  }
  return new IvshmemAttachment(target, options, client, mapping, undo.move());
}

async function connect(target: Target, { sys, signal }: AttachOptions): Promise<IvshmemClient> {
  const path = target.what;
  try {
    return await IvshmemClient.connect({ sys, path, signal });
  } catch (error) {
    if (!isSyscallFailure(error) || error.errno !== "ECONNREFUSED") {
      throw refused("ivshmem", "connect", error);
    }
    const isSocket = (sys.stat(path).mode & S_IFMT) === S_IFSOCK;
    const text = isSocket
      ? `nobody listens at ${path}`
      : `${path} (of ${target.text}) is no socket`;
    const remedy = "start one with guestmem ivshmem-server";
    throw new SourceError("ivshmem", "connect", "not-found", text, remedy, { cause: error });
  }
}

function mapMemory(client: IvshmemClient, path: string, options: AttachOptions): Mapping {
  const { sys, write } = options;
  const { mode, size } = sys.fstat(client.memory);
  const label = `ivshmem ${path}`;
  if ((mode & S_IFMT) !== S_IFREG) {
    const text = `what the server at ${path} shares is no memory: it is no regular file`;
    throw new SourceError("ivshmem", "map", "unsupported", text, SERVE);
  }
  if (size === 0) {
    const text = `the server at ${path} shares no memory: its object has 0 bytes`;
    throw new SourceError("ivshmem", "map", "unsupported", text, "size it before serving it");
  }
  try {
    return Mapping.open({ sys, fd: client.memory, length: size, writable: write, label });
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const { errno } = error;
    const kind = errno === "EACCES" || errno === "EPERM" ? "permission" : "failed";
    const how = write ? "for writing" : "for reading";
    const text =
      `${size} bytes that the server at ${path} shares can not be mapped ${how}: ${errno}`;
    const remedy = kind === "permission" && write ? "leave out --write" : SERVE;
    throw new SourceError("ivshmem", "map", kind, text, remedy, { cause: error });
  }
}

const SERVE = "let it share memory of a size that fits, as guestmem ivshmem-server does";

class IvshmemAttachment implements Attachment {
  readonly memory: GuestMemory;
  readonly writable: WritableGuestMemory | null;
  readonly interrupts: Interrupts;

  constructor(
    readonly target: Target,
    options: AttachOptions,
    private readonly client: IvshmemClient,
    mapping: Mapping,
    private readonly resources: AsyncDisposableStack,
  ) {
    const table = tableOf(mapping, options.write);
    this.writable = options.write ? new WritableGuestMemory(table, mapping.label) : null;
    this.memory = this.writable ?? new GuestMemory(table, mapping.label);
    this.interrupts = interruptsOf(client);
  }

  /** Peers of this moment: they come and go without a refresh. */
  get devices(): readonly Device[] {
    const { client } = this;
    const others = [...client.peers].map(([id, doorbells]) => peerDevice(id, doorbells.length, ""));
    return [...others, peerDevice(client.id, client.vectors, "this is ourselves")];
  }

  get note(): string {
    const { ended } = this.client;
    return ended === null ? "" : `peers are those of before the server was lost: ${ended}`;
  }

  kicks(device: Device, queue: Queue, side: KickSide): readonly Kick[] {
    return [ivshmemKick(this.client, Number(device.name), queue.index, side)];
  }

  /** Nothing to ask: the server tells. The memory stays ours even where the server is gone. */
  refresh(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resources.disposeAsync();
  }
}

function tableOf(mapping: Mapping, write: boolean): RegionTable {
  return new RegionTable([{
    guest: guestAddress(0n),
    length: BigInt(mapping.length),
    backing: mapping,
    offset: 0,
    access: write ? "rw" : "ro",
    name: "ivshmem",
    user: null,
  }]);
}

function interruptsOf(client: IvshmemClient): Interrupts {
  return {
    get counts() {
      return client.interrupts;
    },
    async wait(seen, timeoutMs) {
      await client.waitInterrupt(seen, timeoutMs);
    },
  };
}

function peerDevice(id: number, vectors: number, note: string): Device {
  return {
    name: String(id),
    type: 0,
    bus: { kind: "none", id: `peer ${id}` },
    status: null,
    features: 0n,
    vhost: null,
    queues: Array.from({ length: vectors }, (_, index) => ({
      index,
      name: `vector${index}`,
      ring: null,
      note: "a doorbell has no ring",
    })),
    note,
  };
}
