/**
 * A session in a process of its own, as it is in earnest: reads of what it holds block the reader's
 * thread until it answers.
 *
 * @module
 */
import { openTarget } from "../../lib/source/attach.ts";
import { connectSession } from "../../lib/session/connect.ts";
import type { Connection } from "../../lib/session/connection.ts";
import type { HeldInfo, Request } from "../../lib/session/protocol.ts";
import { sys } from "./host.ts";

/** A running session and its folder. */
export interface SessionProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Value of XDG_RUNTIME_DIR. */
  readonly runtime: string;
  /** `runtime`/guestmem. */
  readonly folder: string;
  /** Kills it and waits. */
  kill(signal: Deno.Signal): Promise<void>;
  /** A new client of it. */
  connect(): Promise<Connection>;
  /** One question of a client of its own. */
  ask<T>(request: Request): Promise<T>;
  /** Maps and gives the name. */
  map(target: string, layout?: string | null, write?: boolean): Promise<string>;
  list(): Promise<HeldInfo[]>;
  /** fds that it has open, by what they are. */
  fds(): string[];
}

const SERVER = new URL("../../lib/session/server.ts", import.meta.url).href;

/** Starts a session. `options` are further options of `startSession`, as JSON has them. */
export async function startSessionProcess(
  runtime: string,
  name = "s",
  options: Record<string, unknown> = {},
): Promise<SessionProcess> {
  const folder = `${runtime}/guestmem`;
  const all = JSON.stringify({ name, folder, ...options });
  const code = `import { startSession } from "${SERVER}";
    const session = startSession(${all});
    console.log("ready");
    await session.done;
    await session[Symbol.asyncDispose]();
    Deno.exit(0);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--quiet", code],
    stdout: "piped",
    stderr: "null",
    stdin: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  if (value === undefined) throw new Error(`session ${name} did not start`);
  const connect = () => connectSession({ sys, name, folder });
  const ask = async <T>(request: Request) => {
    using client = await connect();
    return (await client.ask<T>(request)).value;
  };
  const kill = async (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await child.status;
  };
  return {
    ...{ name, pid: child.pid, runtime, folder, kill, connect, ask },
    map: (target, layout = null, write = false) =>
      ask<string>({ do: "map", target, name: null, write, layout, add: [], replace: false }),
    list: () => ask({ do: "list" }),
    fds: () => linksOf(child.pid),
    [Symbol.asyncDispose]: () => kill("SIGKILL"),
  };
}

function linksOf(pid: number): string[] {
  return sys.readdir(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [sys.readlink(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  }).sort();
}

/** Attaches what the session holds, with the folder found as the command line finds it. */
export async function attachFrom(session: SessionProcess, target: string, write = false) {
  const before = Deno.env.get("XDG_RUNTIME_DIR");
  Deno.env.set("XDG_RUNTIME_DIR", session.runtime);
  try {
    return await openTarget(target, { sys, write });
  } finally {
    if (before === undefined) Deno.env.delete("XDG_RUNTIME_DIR");
    else Deno.env.set("XDG_RUNTIME_DIR", before);
  }
}
