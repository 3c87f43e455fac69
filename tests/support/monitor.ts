/**
 * Monitors for tests: one that replays what a real QEMU answered, and sockets that behave as badly as
 * one likes.
 *
 * @module
 */
import { LineReader } from "../../lib/wire/qmp/line_reader.ts";

/** A served socket. Disposing closes it and every connection. */
export interface ServedSocket extends AsyncDisposable {
  readonly path: string;
}

/**
 * Listens on a socket of its own and runs `serve` for every client, whose connection is closed when it
 * returns. Its errors end that client only.
 */
export async function serveSocket(
  serve: (conn: Deno.Conn) => Promise<void>,
): Promise<ServedSocket> {
  const directory = await Deno.makeTempDir({ prefix: "guestmem-monitor-" });
  const path = `${directory}/qmp.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const clients = new Set<Deno.Conn>();
  const running: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      clients.add(conn);
      running.push(serve(conn).catch(() => {}).finally(() => closeQuietly(conn)));
    }
  })();
  return {
    path,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of clients) closeQuietly(conn);
      await Promise.all(running);
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** Closes a connection that may be closed already. */
export function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** A command as a recording has it. */
export interface RecordedCommand {
  readonly execute: string;
  readonly arguments?: Record<string, unknown>;
}

type Answered = [question: RecordedCommand, reply: Record<string, unknown>];

/** What a real QEMU answered: `tests/fixtures/qemu/NAME.jsonl`. */
export interface Recording {
  readonly greeting: unknown;
  readonly answers: readonly Answered[];
}

/** Reads a recording. */
export function recording(name: string): Recording {
  const [head, ...answers] = fixture(`${name}.jsonl`).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  return { greeting: head.greeting, answers };
}

/** The text of a file of `tests/fixtures/qemu`. */
export function fixture(name: string): string {
  return Deno.readTextFileSync(new URL(`../fixtures/qemu/${name}`, import.meta.url));
}

/** A monitor that replays, and the commands it was asked. */
export interface ReplayedMonitor extends ServedSocket {
  readonly asked: RecordedCommand[];
}

/** Serves a recording. What was not recorded gets an error, as an unknown command does. */
export async function replay(
  { greeting, answers }: Recording,
  more: readonly Answered[] = [],
): Promise<ReplayedMonitor> {
  const table = new Map([...answers, ...more].map(([question, reply]) => [key(question), reply]));
  const asked: RecordedCommand[] = [];
  const socket = await serveSocket(async (conn) => {
    await send(conn, greeting);
    for await (const line of lines(conn)) {
      const { id, ...question } = JSON.parse(line);
      asked.push(question);
      const known = question.execute === "qmp_capabilities" ? { return: {} } : null;
      await send(conn, { ...(known ?? table.get(key(question)) ?? NOT_RECORDED), id });
    }
  });
  return { ...socket, asked };
}

const NOT_RECORDED = { error: { class: "GenericError", desc: "not recorded" } };

/** Independent of the order of arguments. */
function key(question: RecordedCommand): string {
  const args = Object.entries(question.arguments ?? {}).sort(([a], [b]) => a < b ? -1 : 1);
  return JSON.stringify([question.execute, args]);
}

/** Sends a value as QEMU does: one line, CRLF. */
export async function send(conn: Deno.Conn, value: unknown): Promise<void> {
  await sendBytes(conn, new TextEncoder().encode(JSON.stringify(value) + "\r\n"));
}

/** Sends all of some bytes. */
export async function sendBytes(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** Lines that a client sends, until it closes. */
export async function* lines(conn: Deno.Conn): AsyncGenerator<string> {
  const reader = new LineReader("test");
  const chunk = new Uint8Array(65536);
  for (let got = await conn.read(chunk); got !== null; got = await conn.read(chunk)) {
    yield* reader.push(chunk.subarray(0, got));
  }
}
