/**
 * Sessions and what they hold.
 *
 * @module
 */
import type { SessionInfo } from "../../lib/session/client.ts";
import type { HeldInfo } from "../../lib/session/protocol.ts";
import type { SessionServer } from "../../lib/session/server.ts";
import { green, type Paint, red, yellow } from "./colors.ts";
import { escape } from "./escape.ts";
import { jsonLine, timeText } from "./json.ts";
import { type Cell, renderTable, type Table } from "./table.ts";

/** A session, running or ended by us. */
export type SessionRow = Omit<SessionInfo, "state"> & {
  readonly state: SessionInfo["state"] | "stopped";
};

const PAINT: Record<SessionRow["state"], Paint> = {
  running: green,
  stale: yellow,
  unknown: red,
  stopped: yellow,
};

/** A row per thing held, and one for a session that holds nothing. */
export function sessionTable(sessions: readonly SessionRow[]): Table {
  return {
    columns: [
      { head: "SESSION" },
      { head: "STATE" },
      { head: "PID", align: "right" },
      { head: "NAME" },
      { head: "KIND" },
      { head: "ACCESS" },
      { head: "TARGET" },
      { head: "SINCE" },
      { head: "DEVICES", align: "right" },
    ],
    rows: sessions.flatMap((session) => {
      const { name, state, pid, started, held } = session;
      const head: Cell[] = [name, { text: state, paint: PAINT[state] }, String(pid ?? "")];
      const since = started === null ? "" : timeText(started);
      if (held.length === 0) return [[...head, "", "", "", "", since, ""]];
      return held.map((one) => [...head, ...heldCells(session, one)]);
    }),
  };
}

function heldCells({ name: session }: SessionRow, held: HeldInfo): Cell[] {
  const { name, kind, of, write, since, devices, part } = held;
  const mapping = kind === "mapping";
  return [
    `${name}@${session}`,
    kind,
    mapping ? (write ? "rw" : "ro") : "",
    part === null ? of : `${of} ${part.kind.replace("-", " ")} ${part.list}`,
    timeText(since),
    mapping ? String(devices) : "",
  ];
}

/** The table, and below it why some could not be asked. */
export function sessionText(sessions: readonly SessionRow[]): string {
  const notes = sessions.filter(({ note }) => note !== "").map(({ note }) => escape(note));
  return [renderTable(sessionTable(sessions)), ...notes].join("\n");
}

/** `guestmem/session/1` */
export function sessionJson(sessions: readonly SessionRow[], time: number): string {
  return jsonLine("guestmem/session/1", {
    time: timeText(time),
    sessions: sessions.map(({ started, held, ...session }) => ({
      ...session,
      started: started === null ? null : timeText(started),
      held: held.map(({ since, ...one }) => ({
        target: `${one.name}@${session.name}`,
        ...one,
        since: timeText(since),
      })),
    })),
  });
}

/** A session of this process. */
export function runningInfo({ name, pid, socket, started, holder }: SessionServer): SessionRow {
  return { name, socket, state: "running", pid, started, held: holder.list(), note: "" };
}

/** A session that has just ended. */
export function stoppedInfo(name: string, pid: number): SessionRow {
  return { name, socket: "", state: "stopped", pid, started: null, held: [], note: "" };
}

/** `guestmem/mapping/1`: what `map` and `unmap` did in a session. */
export function mappingJson(target: string, of: string | null, held: boolean): string {
  return jsonLine("guestmem/mapping/1", { time: timeText(Date.now()), target, of, held });
}
