/**
 * What a server sends when a client joins or leaves. Pure: eventfds are named by peer and vector.
 *
 * @module
 */
import { MAX_ID, MEMORY, VERSION } from "./message.ts";

/** What rides beside a message. */
export type Attachment =
  | { readonly kind: "none" }
  | { readonly kind: "memory" }
  /** The eventfd of that peer's vector. */
  | { readonly kind: "vector"; readonly peer: number; readonly vector: number };

/** One message to one client. */
export interface ServerMessage {
  readonly to: number;
  readonly value: number;
  readonly fd: Attachment;
}

/** A connected client. */
export interface ServerPeer {
  readonly id: number;
  /** Its number of vectors. */
  readonly vectors: number;
}

/**
 * Everything to send when `joining` has connected, in order: to the newcomer its greeting, every
 * peer's vectors and its own; to each other peer the newcomer's vectors. `others` leaves it out.
 */
export function joinMessages(
  joining: ServerPeer,
  others: readonly ServerPeer[],
): ServerMessage[] {
  const none = { kind: "none" } as const;
  const greeting: ServerMessage[] = [
    { to: joining.id, value: VERSION, fd: none },
    { to: joining.id, value: joining.id, fd: none },
    { to: joining.id, value: MEMORY, fd: { kind: "memory" } },
  ];
  return [
    ...greeting,
    ...others.flatMap((peer) => vectorMessages(peer, joining.id)),
    ...others.flatMap((peer) => vectorMessages(joining, peer.id)),
    ...vectorMessages(joining, joining.id),
  ];
}

/** Everything to send when a client has gone. `others` leaves it out. */
export function leaveMessages(
  leaving: number,
  others: readonly ServerPeer[],
): ServerMessage[] {
  return others.map((peer) => ({ to: peer.id, value: leaving, fd: { kind: "none" } }));
}

function vectorMessages(peer: ServerPeer, to: number): ServerMessage[] {
  return Array.from({ length: peer.vectors }, (_, vector) => ({
    to,
    value: peer.id,
    fd: { kind: "vector", peer: peer.id, vector },
  }));
}

/**
 * The id for a new client: the next after `last` that is free, so that a peer that left is not taken
 * for one that came. Null where all 65536 are in use.
 */
export function nextId(last: number, used: ReadonlySet<number>): number | null {
  for (let step = 1; step <= MAX_ID + 1; step++) {
    const id = (last + step) & MAX_ID;
    if (!used.has(id)) return id;
  }
  return null;
}
