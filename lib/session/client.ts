/**
 * What a command asks of a session that runs elsewhere.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import { absolutePath } from "../source/unix_listener.ts";
import { connectSession } from "./connect.ts";
import type { Connection } from "./connection.ts";
import { look, sessionFolder, sessionNames, socketPath } from "./folder.ts";
import type { MapOptions } from "./holder.ts";
import type { HeldInfo, OpenAnswer, WireDevice } from "./protocol.ts";

/** A session, as a list shows it. */
export interface SessionInfo {
  readonly name: string;
  readonly socket: string;
  /** `running`; `stale`: it has ended without removing its socket; `unknown`: see `note`. */
  readonly state: "running" | "stale" | "unknown";
  readonly pid: number | null;
  /** Milliseconds since the epoch. */
  readonly started: number | null;
  readonly held: readonly HeldInfo[];
  /** Why it could not be asked; empty where it could. */
  readonly note: string;
}

/** Which session, and who stops waiting for it. */
export interface AskOptions {
  readonly session: string;
  readonly signal?: AbortSignal | null;
  readonly log?: (line: string) => void;
  readonly notice?: (line: string) => void;
}

/** How long a session may take to end after it said that it would, in milliseconds. */
const END_MS = 5000;
const LOOK_MS = 20;

async function withSession<T>(
  { session, signal = null, log, notice }: AskOptions,
  run: (connection: Connection) => Promise<T>,
): Promise<T> {
  using connection = await connectSession({ name: session, signal, log, notice });
  return await run(connection);
}

/** What to map in a session; relative paths are those of this process. */
export type MapRequest = Pick<
  MapOptions,
  "target" | "name" | "write" | "layout" | "add" | "replace" | "part"
>;

/** Maps in a session. Gives the name there. Throws what `connectSession` and `Holder.map` throw. */
export async function mapInSession(options: AskOptions, wanted: MapRequest): Promise<string> {
  const sys = openSys();
  const { name, write, replace, part = null } = wanted;
  const target = absoluteTarget(sys, wanted.target);
  const add = wanted.add.map((text) => absoluteAddition(sys, text));
  const layout = wanted.layout === null ? null : absolutePath(sys, wanted.layout);
  const request = { do: "map", target, name, write, layout, add, replace, part } as const;
  return (await withSession(options, (connection) => connection.ask<string>(request))).value;
}

/** Devices of something that a session holds. Nothing is mapped here. Throws `SourceError`. */
export async function devicesInSession(
  options: AskOptions,
  name: string,
): Promise<readonly WireDevice[]> {
  const ask = (connection: Connection) => connection.ask<OpenAnswer>({ do: "open", name });
  return (await withSession(options, ask)).value.devices;
}

/** Drops a mapping or a tap of a session. Throws `SourceError` (not-found). */
export async function unmapInSession(options: AskOptions, name: string): Promise<void> {
  await withSession(options, (connection) => connection.ask({ do: "unmap", name }));
}

/** Starts a tap in a session. Gives its name there. Throws what `startTap` throws. */
export async function tapInSession(
  options: AskOptions,
  listen: string,
  connect: string,
): Promise<string> {
  const sys = openSys();
  const paths = { listen: absolutePath(sys, listen), connect: absolutePath(sys, connect) };
  const request = { do: "tap", ...paths } as const;
  return (await withSession(options, (connection) => connection.ask<string>(request))).value;
}

/** Ends a session and waits until it has. Gives its process id. Throws `SourceError`. */
export async function stopSession(options: AskOptions): Promise<number> {
  const sys = openSys();
  const pid = await withSession(options, async (connection) => {
    await connection.ask({ do: "stop" });
    return connection.greeting.pid;
  });
  const socket = socketPath(sessionFolder(sys), options.session);
  for (let waited = 0; look(socket) !== null; waited += LOOK_MS) {
    if (waited >= END_MS) {
      const text = `session "${options.session}" (process ${pid}) does not end`;
      throw new SourceError("session", "stop", "busy", text, `kill ${pid} ends it`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return pid;
}

/** Every session of this user, by name. Throws `SourceError` for a folder that is not ours alone. */
export async function listSessions(signal: AbortSignal | null = null): Promise<SessionInfo[]> {
  const sys = openSys();
  const folder = sessionFolder(sys);
  const names = sessionNames(sys, folder);
  return await Promise.all(names.map((name) => sessionInfo(sys, folder, name, signal)));
}

async function sessionInfo(
  sys: Sys,
  folder: string,
  name: string,
  signal: AbortSignal | null,
): Promise<SessionInfo> {
  const socket = socketPath(folder, name);
  try {
    using connection = await connectSession({ sys, folder, name, signal });
    const { pid, started } = connection.greeting;
    const held = (await connection.ask<HeldInfo[]>({ do: "list" })).value;
    return { name, socket, state: "running", pid, started, held, note: "" };
  } catch (error) {
    if (signal?.aborted || !(error instanceof Error)) throw error;
    const stale = error instanceof SourceError && error.kind === "not-found";
    const state = stale ? "stale" : "unknown";
    return { name, socket, state, pid: null, started: null, held: [], note: error.message };
  }
}

/** The session has another working directory. A process id stays what it is. */
export function absoluteTarget(sys: Sys, text: string): string {
  const match = /^(file|core|vhost|ivshmem|qemu):(?![0-9]+(?:\/|$))(.+)$/.exec(text);
  return match === null ? text : `${match[1]}:${absolute(sys, match[2])}`;
}

/** `GPA=TARGET…` */
function absoluteAddition(sys: Sys, text: string): string {
  const cut = text.indexOf("=") + 1;
  return text.slice(0, cut) + absoluteTarget(sys, text.slice(cut));
}

/** What follows the path (a device, a part) is not touched: only the start is. */
function absolute(sys: Sys, path: string): string {
  return path.startsWith("/") ? path : `${sys.readlink("/proc/self/cwd")}/${path}`;
}
