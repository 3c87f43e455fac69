/**
 * What happens to the connections of a tap, for people and for programs.
 *
 * @module
 */
import type { PeerCredentials } from "../../ffi/sys.ts";
import type { Json } from "../wire/vhost_user/vhost_user.ts";
import type { ConnectionState } from "./connection.ts";
import { guessDevice } from "./guess_device.ts";
import type { LayoutContext } from "./layout.ts";
import type { RelayEnd } from "./relay.ts";

/** Something that happened. */
export interface TapEvent {
  /**
   * `connect` both sides are there, `ready` memory and a ring can be read, `close` either side left,
   * `refuse` a peer was sent away, `problem` the tap could not do all of its work.
   */
  readonly kind: "connect" | "ready" | "close" | "refuse" | "problem";
  /** From 1; null where it is about none. */
  readonly connection: number | null;
  /** One line for a person. */
  readonly text: string;
  /** The same for a program. */
  readonly details: { readonly [key: string]: Json };
}

/** Both sides are there. */
export function connectEvent(connection: number, near: number, far: number): TapEvent {
  const text = `connection ${connection}: process ${near} came, joined with process ${far}`;
  return { kind: "connect", connection, text, details: { near, far } };
}

/** Rings can be read. */
export function readyEvent(
  { connection, slot, socket }: LayoutContext,
  state: ConnectionState,
): TapEvent {
  const { name } = guessDevice(state);
  const target = `vhost:${socket}/${name}${slot}`;
  const text = `connection ${connection}: rings at ${target}`;
  return { kind: "ready", connection, text, details: { target } };
}

/** Whether memory and at least one ring are known. */
export function isReady({ memory, vrings }: ConnectionState): boolean {
  const known = vrings.some(({ size, areas, started }) =>
    started && size !== null && areas !== null
  );
  return memory.length > 0 && known;
}

/** A connection is over. */
export function closeEvent(connection: number, end: RelayEnd, messages: number): TapEvent {
  const { by, reason, hostile } = end;
  const who = by === null ? "" : by === "unknown" ? " by a peer" : ` by the ${by}`;
  const how = hostile
    ? `refused, as ${by === "unknown" ? "a peer" : `the ${by}`} broke the protocol`
    : `closed${who}`;
  const why = hostile || reason !== "closed" ? `: ${reason}` : "";
  const text = `connection ${connection}: ${how} after ${messages} messages${why}`;
  return { kind: "close", connection, text, details: { by, reason, hostile, messages } };
}

/** A peer was sent away, or could not be accepted. */
export function refuseEvent(
  connection: number | null,
  reason: string,
  peer: PeerCredentials | null,
): TapEvent {
  const who = peer === null ? "a peer" : `process ${peer.pid} of user ${peer.uid}`;
  const details = { reason, pid: peer?.pid ?? null, uid: peer?.uid ?? null };
  return { kind: "refuse", connection, text: `${who} was sent away: ${reason}`, details };
}

/** The tap goes on without something. */
export function problemEvent(connection: number | null, text: string): TapEvent {
  return { kind: "problem", connection, text, details: {} };
}
