/**
 * What a conversation tells about one ring.
 *
 * @module
 */
import type { Message } from "../wire/vhost_user/vhost_user.ts";

/** Where a ring's areas are, in the space that the features say. */
export interface VringAreas {
  /** Descriptor area. */
  readonly descriptor: bigint;
  /** Driver area. */
  readonly available: bigint;
  /** Device area. */
  readonly used: bigint;
  /** Guest address by which writes to the used ring are logged. */
  readonly log: bigint;
  /** Bit 0: they are. */
  readonly flags: number;
}

/** A ring. Fields are null until a message sets them. fds are numbers of this process. */
export interface Vring {
  /** The ring's number. */
  readonly index: number;
  /** Entries. */
  readonly size: number | null;
  /** SET_VRING_ADDR. */
  readonly areas: VringAreas | null;
  /** Number of SET_VRING_BASE, or of the reply that stopped the ring: see `vring_base.ts`. */
  readonly base: number | null;
  /** Between SET_VRING_KICK (or VRING_KICK) and GET_VRING_BASE. */
  readonly started: boolean;
  /** SET_VRING_ENABLE; null while not said. */
  readonly enabled: boolean | null;
  /** The device polls: there is no kick fd. */
  readonly polled: boolean;
  /** SET_VRING_ENDIAN said so. */
  readonly bigEndian: boolean;
  /** SET_VRING_KICK. */
  readonly kickFd: number | null;
  /** SET_VRING_CALL. */
  readonly callFd: number | null;
  /** SET_VRING_ERR. */
  readonly errorFd: number | null;
}

/** A ring of which nothing is known. */
export function freshVring(index: number): Vring {
  return {
    index,
    size: null,
    areas: null,
    base: null,
    started: false,
    enabled: null,
    polled: false,
    bigEndian: false,
    kickFd: null,
    callFd: null,
    errorFd: null,
  };
}

/** fds that the ring holds. */
export function vringFds({ kickFd, callFd, errorFd }: Vring): number[] {
  return [kickFd, callFd, errorFd].filter((fd) => fd !== null);
}

/** Index of the ring that a message is about, or null where it is about none. */
export function vringIndex({ payload }: Message): number | null {
  const { kind } = payload;
  const about = kind === "vring-state" || kind === "vring-address" || kind === "vring-fd";
  return about ? payload.index : null;
}

/** The ring after a message about it. Of `fds` the first is taken where the message brings one. */
export function learnVring(ring: Vring, message: Message, fds: readonly number[]): Vring {
  const { payload, name, reply } = message;
  if (reply) return name === "GET_VRING_BASE" ? stopped(ring, message) : ring;
  if (payload.kind === "vring-address") {
    const { descriptor, available, used, log, flags } = payload;
    return { ...ring, areas: { descriptor, available, used, log, flags } };
  }
  if (payload.kind === "vring-fd") return learnFd(ring, name, payload.noFd, fds[0] ?? null);
  if (payload.kind === "vring-state") return learnNumber(ring, name, payload.num);
  return ring;
}

function learnNumber(ring: Vring, name: string, num: number): Vring {
  switch (name) {
    case "SET_VRING_NUM":
      return { ...ring, size: num };
    case "SET_VRING_BASE":
      return { ...ring, base: num };
    case "SET_VRING_ENABLE":
      return { ...ring, enabled: num !== 0 };
    case "SET_VRING_ENDIAN":
      return { ...ring, bigEndian: num === 1 };
    case "VRING_KICK":
      return { ...ring, started: true };
    default:
      return ring;
  }
}

function learnFd(ring: Vring, name: string, noFd: boolean, fd: number | null): Vring {
  const got = noFd ? null : fd;
  if (name === "SET_VRING_KICK") return { ...ring, kickFd: got, polled: noFd, started: true };
  if (name === "SET_VRING_CALL") return { ...ring, callFd: got };
  return name === "SET_VRING_ERR" ? { ...ring, errorFd: got } : ring;
}

/** Back-ends close both eventfds here, and front-ends send new ones at the next start. */
function stopped(ring: Vring, { payload }: Message): Vring {
  const base = payload.kind === "vring-state" ? payload.num : ring.base;
  return { ...ring, base, started: false, kickFd: null, callFd: null };
}
