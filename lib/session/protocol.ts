/**
 * What a session and its clients say to each other: a line of JSON each way, requests and answers in
 * turn, after a greeting by the session. fds travel with the first byte of the answer that counts
 * them. Both ends are of one user, who was checked before the first byte.
 *
 * 64-bit values are `{"$": "0x…"}`.
 *
 * @module
 */
import type { Device, Queue } from "../guest/guest.ts";
import { hex } from "../address.ts";
import type { KickSide } from "../kick/kick.ts";
import type { Gaps } from "../memory/backing.ts";
import type { Access } from "../memory/region.ts";
import type { XenRingAbi, XenRingKind } from "../ring/xen/spec.ts";
import type { DomainPart } from "../source/source.ts";

/** Counts up when a message changes its meaning. */
export const PROTOCOL = 1;

/** Bytes of a request's line at most. */
export const REQUEST_LIMIT = 64 << 10;

/** Bytes of an answer's line at most: a guest with 10,000 queues needs 4 MiB. */
export const ANSWER_LIMIT = 16 << 20;

/** Bytes that one `read` or `store` moves at most. */
export const READ_LIMIT = 128 << 10;

/** fds that one answer carries at most (SCM_MAX_FD). */
export const FD_LIMIT = 253;

/** The session's first line. */
export interface Greeting {
  readonly protocol: number;
  readonly session: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly started: number;
}

/** What a client may ask. `name` is that of something held. */
export type Request =
  | { readonly do: "list" }
  | { readonly do: "stop" }
  | {
    readonly do: "map";
    readonly target: string;
    /** null: the session chooses. */
    readonly name: string | null;
    readonly write: boolean;
    readonly layout: string | null;
    /** As `OpenOptions.add` and `replace`. */
    readonly add: readonly string[];
    readonly replace: boolean;
    /** As `OpenOptions.part`; absent for all of a guest's memory. */
    readonly part?: DomainPart | null;
  }
  | { readonly do: "tap"; readonly listen: string; readonly connect: string }
  | { readonly do: "unmap"; readonly name: string }
  | { readonly do: "open"; readonly name: string }
  | { readonly do: "refresh"; readonly name: string }
  /** `known`: the generation that the client has, or 0. */
  | { readonly do: "memory"; readonly name: string; readonly known: number }
  | ReadRequest
  | (ReadRequest & { readonly do: "store"; readonly data: string })
  | {
    readonly do: "data";
    readonly name: string;
    readonly backing: number;
    readonly offset: number;
  }
  /** `wait`: milliseconds to wait for counts beyond `seen`; 0 for none. */
  | {
    readonly do: "interrupts";
    readonly name: string;
    readonly seen: readonly bigint[];
    readonly wait: number;
  }
  | ({ readonly do: "ring" } & QueueRequest)
  | ({ readonly do: "kicks"; readonly side: KickSide } & QueueRequest)
  | ({ readonly do: "kick"; readonly side: KickSide; readonly way: string } & QueueRequest)
  | {
    readonly do: "monitor";
    readonly name: string;
    readonly command: string;
    readonly arguments: Readonly<Record<string, unknown>> | null;
  };

/** Bytes of a backing that has no fd to pass. */
export interface ReadRequest {
  readonly do: "read" | "store";
  readonly name: string;
  readonly backing: number;
  readonly offset: number;
  readonly length: number;
}

/** A queue of something held. */
export interface QueueRequest {
  readonly name: string;
  readonly device: string;
  readonly queue: number;
}

/** Something held, in a list. */
export interface HeldInfo {
  readonly name: string;
  /** What was mapped: `qemu:4242`. */
  readonly of: string;
  readonly kind: "mapping" | "tap";
  readonly write: boolean;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly devices: number;
  /** Grants or frames of a Xen domain, where it is not all of its memory. */
  readonly part: DomainPart | null;
}

/** Answer to `open` and `refresh`. */
export interface OpenAnswer {
  /** What was mapped: `qemu:4242`. */
  readonly of: string;
  readonly devices: readonly WireDevice[];
  readonly note: string;
  readonly write: boolean;
  readonly monitor: boolean;
  readonly kicks: boolean;
  readonly interrupts: boolean;
}

/** A device whose queues' rings of Xen are opened by asking. */
export type WireDevice = Omit<Device, "queues"> & { readonly queues: readonly WireQueue[] };
/** A queue; of a ring of Xen it says whether there is one to open. */
export type WireQueue = Omit<Queue, "xen"> & {
  readonly xen: (Omit<NonNullable<Queue["xen"]>, "open"> & { readonly opens: boolean }) | null;
};

/** Bytes behind regions. `fd` counts from the first fd of the answer; null: ask with `read`. */
export interface WireBacking {
  readonly id: number;
  readonly label: string;
  readonly length: number;
  readonly pageSize: number;
  /** Absent: zeros. */
  readonly gaps?: Gaps | undefined;
  readonly fd: number | null;
  /** Offset of the backing's first byte in the fd. */
  readonly start: number;
  /** The fd can be mapped; else it is read. */
  readonly maps: boolean;
}

/** A region; `backing` is a place in the answer's list. */
export interface WireRegion {
  readonly guest: bigint;
  readonly length: bigint;
  readonly backing: number;
  readonly offset: number;
  readonly access: Access;
  readonly name: string;
  readonly user: bigint | null;
}

/** Answer to `memory`; null where the client has that generation. */
export interface MemoryAnswer {
  readonly generation: number;
  readonly name: string;
  readonly backings: readonly WireBacking[];
  readonly regions: readonly WireRegion[];
}

/** Answer to `ring`. */
export interface RingAnswer {
  readonly kind: XenRingKind;
  readonly abi: XenRingAbi;
  readonly pages: WireBacking;
}

/** Answer to `read` and `store`: how far it got; `data` is base64. */
export interface CopyAnswer {
  readonly length: number;
  readonly errno: string | null;
  readonly data: string;
}

/** One way to notify, in the answer to `kicks`. */
export interface WireKick {
  readonly name: string;
  readonly lastResort: boolean;
  readonly possible: true | string;
  /** What would make it possible; empty where nothing would, or it is. */
  readonly remedy: string;
  /** Empty where it is not possible. */
  readonly describe: string;
}

const encoder = new TextEncoder();

/** A message as its line. */
export function encodeLine(message: unknown): Uint8Array<ArrayBuffer> {
  const text = JSON.stringify(
    message,
    (_, value: unknown) => typeof value === "bigint" ? { $: hex(value) } : value,
  );
  return encoder.encode(text + "\n");
}

/** The message of a line. Throws SyntaxError for one that is no JSON. */
export function decodeLine(line: string): unknown {
  return JSON.parse(line, (_, value: unknown) => {
    const digits = (value as { $?: unknown } | null)?.$;
    return typeof digits === "string" ? BigInt(digits) : value;
  });
}
