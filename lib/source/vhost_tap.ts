/**
 * Taps and sinks, as other processes see them: by the layouts they publish.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import type { Guest } from "../guest/guest.ts";
import { layoutDevices, parseLayout } from "./layout.ts";
import {
  publishedField,
  type PublishedLayout,
  publishedVersion,
  readPublished,
} from "./published.ts";
import type { Attachment, AttachOptions, Target } from "./source.ts";
import { allPids } from "./unix_listener.ts";
import { attachLive } from "./vhost_live.ts";

/** A process that taps, or is a sink, and all that it publishes for one socket. */
export interface TapProcess {
  readonly pid: number;
  readonly socket: string;
  /** Where it connects to; empty for a sink. */
  readonly peer: string;
  /** By connection, oldest first; none while nobody is connected. */
  readonly connections: readonly TapConnection[];
}

/** The newest layout of one connection. */
export interface TapConnection {
  readonly connection: number;
  readonly published: PublishedLayout;
}

const KINDS = new Set<unknown>(["tap", "sink"]);

/** What a process taps, by socket; empty where it is no tap. */
export function tapsOf(sys: Sys, pid: number): TapProcess[] {
  const layouts = readPublished(sys, pid)
    .filter((layout) => KINDS.has(publishedField(layout, "kind")));
  const sockets = new Set(layouts.map((layout) => text(layout, "socket")));
  return [...sockets].map((socket) => {
    const own = layouts.filter((layout) => text(layout, "socket") === socket);
    return { pid, socket, peer: text(own[0], "peer"), connections: newestOf(own) };
  });
}

/** Every tap on this host whose fds we may see. */
export function findTaps(sys: Sys): TapProcess[] {
  return allPids(sys).flatMap((pid) => tapsOf(sys, pid));
}

function text(layout: PublishedLayout, name: string): string {
  const value = publishedField(layout, name);
  return typeof value === "string" ? value : "";
}

function newestOf(layouts: readonly PublishedLayout[]): TapConnection[] {
  const newest = new Map<number, PublishedLayout>();
  for (const layout of layouts) {
    const connection = publishedField(layout, "connection");
    if (typeof connection !== "number") continue;
    const other = newest.get(connection);
    if (other === undefined || publishedVersion(layout) > publishedVersion(other)) {
      newest.set(connection, layout);
    }
  }
  return [...newest].map(([connection, published]) => ({ connection, published }))
    .sort((a, b) => a.connection - b.connection);
}

/** A tap as a row of `find`: every device of every connection. */
export function tapGuest(tap: TapProcess): Guest {
  const parts = tap.connections.map(({ published }) => contents(tap.pid, published));
  const known = parts.map(({ memory }) => memory).filter((memory) => memory !== null);
  const idle = "no front-end is connected";
  return {
    target: `vhost:${tap.socket}`,
    name: tap.socket.slice(tap.socket.lastIndexOf("/") + 1),
    kind: "vhost-user",
    pid: frontEndPid(tap),
    state: tap.connections.length === 0 ? "waiting" : "connected",
    memory: known.length === 0 ? null : known.reduce((sum, memory) => sum + memory, 0n),
    devices: parts.flatMap(({ devices }) => devices),
    note: parts.length === 0 ? idle : parts.map(({ note }) => note).filter(Boolean).join("; "),
  };
}

function frontEndPid({ connections }: TapProcess): number | null {
  const last = connections.at(-1);
  const pid = last === undefined ? null : publishedField(last.published, "front_end_pid");
  return typeof pid === "number" ? pid : null;
}

/** A layout that has no memory yet, or can not be parsed, still is a connection. */
function contents(
  pid: number,
  published: PublishedLayout,
): Pick<Guest, "memory" | "devices" | "note"> {
  if (isBare(published)) {
    return { memory: null, devices: [], note: "the front-end has sent no memory yet" };
  }
  try {
    const layout = parseLayout(published.text);
    const memory = layout.memory.reduce((sum, entry) => sum + entry.size, 0n);
    return { memory, devices: layoutDevices(layout, pid), note: "" };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { memory: null, devices: [], note: error.message };
  }
}

function isBare(published: PublishedLayout): boolean {
  const memory = publishedField(published, "memory");
  return Array.isArray(memory) && memory.length === 0;
}

/**
 * Attaches to a connection of a tap: that of the device the target names, else the newest. A refresh
 * goes over to the one that took its place, if either side has come again by then. Throws SourceError
 * (`not-found`) where there is none, or it has no memory yet.
 */
export function attachTap(
  tap: TapProcess,
  target: Target,
  options: AttachOptions,
): Promise<Attachment> {
  let { connection } = chosen(tap, target);
  let attached = false;
  const does = tap.peer === "" ? "serves" : "taps";
  options.log(`process ${tap.pid} ${does} ${tap.socket}: connection ${connection}`);
  const read = () => {
    const now = tapsOf(options.sys, tap.pid).find(({ socket }) => socket === tap.socket);
    const found = now?.connections.find((other) => other.connection === connection) ??
      successor(now, target, connection);
    if (found === null) throw gone(tap, connection);
    // Who was attached waits for memory of the newcomer; who comes to attach has nothing to look at.
    if (isBare(found.published)) throw bare(tap, attached ? "busy" : "not-found");
    [connection, attached] = [found.connection, true];
    return found.published.text;
  };
  return attachLive({ target, options, pid: tap.pid, read, owned: null });
}

function chosen(tap: TapProcess, { device }: Target): TapConnection {
  const named = tap.connections.filter(({ published }) => hasDevice(published, device));
  const found = named.at(-1) ?? tap.connections.at(-1);
  if (found !== undefined) return found;
  const text = `nobody is connected through ${tap.socket}`;
  const place = tap.peer === "" ? "as its back-end" : `in the place of ${tap.peer}`;
  const remedy = `start the front-end with ${tap.socket} ${place}`;
  throw new SourceError("vhost", "attach", "not-found", text, remedy);
}

/** A later connection whose device has the name that the target says; any, if it says none. */
function successor(
  tap: TapProcess | undefined,
  { device }: Target,
  connection: number,
): TapConnection | null {
  const later = tap?.connections.filter((other) => other.connection > connection) ?? [];
  return later.findLast(({ published }) => device === null || hasDevice(published, device)) ?? null;
}

function hasDevice(published: PublishedLayout, name: string | null): boolean {
  const devices = publishedField(published, "devices");
  if (name === null || !Array.isArray(devices)) return false;
  return devices.some((device: unknown) => (device as { name?: unknown } | null)?.name === name);
}

function gone(tap: TapProcess, connection: number): SourceError {
  const text = `connection ${connection} through ${tap.socket} is closed`;
  return new SourceError("vhost", "read layout", "not-found", text, "attach again for a newer one");
}

function bare(tap: TapProcess, kind: "busy" | "not-found"): SourceError {
  const text = `the front-end on ${tap.socket} has sent no memory yet`;
  const remedy = "wait until the guest's driver has started the device";
  return new SourceError("vhost", "read layout", kind, text, remedy);
}
