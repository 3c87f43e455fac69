/**
 * Answers of a session to its clients' requests.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import type { CopyResult, WritableBacking } from "../memory/backing.ts";
import type { Kick } from "../kick/kick.ts";
import { freshen, type Held, type Holder } from "./holder.ts";
import {
  type CopyAnswer,
  type QueueRequest,
  READ_LIMIT,
  type ReadRequest,
  type Request,
  type WireKick,
} from "./protocol.ts";
import { createShelf, describeAttachment, type Described, type Shelf } from "./shelf.ts";

/** Who asks, and what belongs to the one question. */
export interface Asking {
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  /** What the client's user is told whether or not they want to know all. */
  readonly notice: (line: string) => void;
  /** Ends the session, after the answer. */
  readonly stop: () => void;
}

/** Answers one request. Rejects with what is wrong; fds of an answer are the caller's to close. */
export type Answering = (request: Request, asking: Asking) => Promise<Described<unknown>>;

/** The answers over a holder. */
export function answersOf(sys: Sys, holder: Holder): Answering {
  const shelves = new WeakMap<Held, Shelf>();
  const shelfOf = (held: Held) => {
    const shelf = shelves.get(held) ?? createShelf(sys, held.attachment);
    shelves.set(held, shelf);
    return shelf;
  };

  return async (request, asking) => {
    switch (request.do) {
      case "list":
        return plain(holder.list());
      case "stop":
        asking.stop();
        return plain(null);
      case "map":
        return plain(await map(holder, request, asking));
      case "tap":
        return plain(holder.tap(request.listen, request.connect));
      case "unmap":
        await holder.unmap(request.name);
        return plain(null);
    }
    const held = holder.get(request.name);
    switch (request.do) {
      case "open": {
        const note = await freshen(held, asking.log);
        return plain(describeAttachment(held.attachment, held.of, note));
      }
      case "refresh":
        await held.alone(() => held.attachment.refresh());
        return plain(describeAttachment(held.attachment, held.of, ""));
      case "memory":
        return shelfOf(held).memory(request.known);
      case "read":
      case "store":
        return plain(copy(shelfOf(held), request));
      case "data":
        return plain(shelfOf(held).backing(request.backing)?.nextData(request.offset) ?? null);
      case "interrupts":
        return plain(await interrupts(held, request));
      case "ring":
        return ring(held, shelfOf(held), request);
      case "kicks":
        return plain(kicksOf(held, request).map(describeKick));
      case "kick":
        return plain(await kick(held, request));
      case "monitor":
        return plain(await monitor(held, request));
      default:
        throw new TypeError(`unknown request ${JSON.stringify((request as { do: unknown }).do)}`);
    }
  };
}

function plain(value: unknown): Described<unknown> {
  return { value, fds: [] };
}

/** Nobody would know of what is held for a client that left before it was told. */
async function map(
  holder: Holder,
  request: Request & { do: "map" },
  { signal, log, notice }: Asking,
): Promise<string> {
  const name = await holder.map({ ...request, signal, log, notice });
  if (!signal.aborted) return name;
  await holder.unmap(name);
  throw signal.reason;
}

/** What was replaced since reads as gone, as it would in the client's own process. */
function copy(shelf: Shelf, request: ReadRequest & { data?: string }): CopyAnswer {
  const gone = { length: 0, errno: "ESTALE", data: "" };
  const backing = shelf.backing(request.backing);
  if (backing === null) return gone;
  const { offset, length } = request;
  if (!(length >= 0 && length <= READ_LIMIT)) throw new RangeError(`read of ${length} bytes`);
  try {
    if (request.do === "store") {
      const source = Uint8Array.fromBase64(request.data ?? "");
      return { ...store(backing as WritableBacking, offset, source), data: "" };
    }
    const target = new Uint8Array(length);
    const result = backing.copy(offset, target);
    return { ...result, data: target.subarray(0, result.length).toBase64() };
  } catch (error) {
    // A mapping that was closed under the reader says so by throwing.
    if (error instanceof Error) return gone;
    throw error;
  }
}

function store(backing: WritableBacking, offset: number, source: Uint8Array): CopyResult {
  if (typeof backing.store !== "function") return { length: 0, errno: "EROFS" };
  return backing.store(offset, source);
}

function queueOf({ attachment, name }: Held, request: QueueRequest): [Device, Queue] {
  const device = attachment.devices.find((one) => one.name === request.device);
  const queue = device?.queues.find(({ index }) => index === request.queue);
  if (device !== undefined && queue !== undefined) return [device, queue];
  const text = `${name} has no queue ${request.device}:${request.queue} any more`;
  throw new SourceError("session", "select queue", "not-found", text);
}

function ring(held: Held, shelf: Shelf, request: QueueRequest): Described<unknown> {
  const [device, queue] = queueOf(held, request);
  if (queue.xen?.open) return shelf.ring(device, queue);
  throw new SourceError("session", "open ring", "unsupported", "the queue has no shared ring");
}

function kicksOf(held: Held, request: Request & { do: "kicks" | "kick" }): readonly Kick[] {
  const [device, queue] = queueOf(held, request);
  return held.attachment.kicks?.(device, queue, request.side) ?? [];
}

function describeKick(way: Kick): WireKick {
  const { name, lastResort, possible, remedy = "" } = way;
  const describe = possible === true ? way.describe() : "";
  return { name, lastResort, possible, remedy, describe };
}

async function kick(held: Held, request: Request & { do: "kick" }): Promise<readonly string[]> {
  const way = kicksOf(held, request).find(({ name }) => name === request.way);
  if (way === undefined) {
    const text = `there is no way "${request.way}" any more`;
    throw new SourceError("session", "kick", "unsupported", text, "find the guest again");
  }
  return (await held.alone(() => way.send())).evidence;
}

/** Longest that one question waits for an interrupt, in milliseconds: the client asks again. */
const INTERRUPT_MS = 1000;

async function interrupts(
  { attachment }: Held,
  { seen, wait }: Request & { do: "interrupts" },
): Promise<readonly bigint[]> {
  if (wait > 0) await attachment.interrupts?.wait(seen, Math.min(wait, INTERRUPT_MS));
  return attachment.interrupts?.counts ?? [];
}

async function monitor(
  { attachment, alone, of }: Held,
  { command, arguments: given }: Request & { do: "monitor" },
): Promise<unknown> {
  const channel = attachment.monitor;
  if (channel === undefined) {
    throw new SourceError("session", "ask monitor", "unsupported", `${of} has no monitor`);
  }
  return await alone(() => channel.execute(command, given ?? undefined)) ?? null;
}
