/**
 * Finds a session by its name, checks whose it is, and connects.
 *
 * @module
 */
import { POLLIN } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, ProtocolError, SourceError } from "../errors.ts";
import {
  type AnswerReader,
  answerReader,
  type Connection,
  openConnection,
  parseLine,
  silent,
  SLICE_MS,
} from "./connection.ts";
import { checkFolder, checkName, look, sessionFolder, socketPath } from "./folder.ts";
import { type Greeting, PROTOCOL } from "./protocol.ts";

/** Which session, and how. */
export interface ConnectOptions {
  /** Default: the real system calls. */
  readonly sys?: Sys;
  readonly name: string;
  /** Default: the user's own, see `folder.ts`. */
  readonly folder?: string;
  /** Gives up when aborted, also in the middle of a question. */
  readonly signal?: AbortSignal | null;
  /** Gets what the session logged while it worked on a question. */
  readonly log?: (line: string) => void;
  /** Gets what the session's user should know in any case; default what `log` gets. */
  readonly notice?: (line: string) => void;
}

/** Longest time that a session may take for the greeting, in milliseconds. */
const GREETING_MS = 3000;

/** Attempts while the session's backlog is full, and milliseconds between them. */
const TRIES = 100;
const TRY_MS = 10;

/**
 * Connects. Throws `SourceError`: not-found (also for a socket that a killed session left), permission
 * (somebody else's), busy (no answer); ProtocolError for one of another version.
 */
export async function connectSession(options: ConnectOptions): Promise<Connection> {
  const { sys = openSys(), name, signal = null, log = () => {}, notice = log } = options;
  const folder = options.folder ?? sessionFolder(sys);
  checkName(name);
  checkSocket(sys, folder, name);
  using undo = new DisposableStack();
  const fd = undo.use(new Fd(sys, await connect(sys, name, socketPath(folder, name))));
  checkPeer(sys, name, fd.number);
  const reader = answerReader(sys, fd.number, name);
  undo.defer(() => closeAll(sys, reader.takeFds()));
  const greeting = greetingOf(await firstLine(sys, reader, fd.number, signal, name), name);
  undo.move();
  return openConnection({ sys, name, fd, reader, greeting, signal, log, notice });
}

/** Whether there is a socket of ours, in a folder of ours. */
function checkSocket(sys: Sys, folder: string, name: string): void {
  const path = socketPath(folder, name);
  const info = checkFolder(sys, folder) ? look(path) : null;
  if (info === null) throw noSession(name, `no session "${name}" (${path} is not there)`);
  if (info.uid !== sys.uid) {
    throw foreign(name, `${path} belongs to user ${info.uid}, not to ${sys.uid}`);
  }
  if (info.isSocket) return;
  const text = `${path} is no socket`;
  throw new SourceError("session", "connect", "failed", text, "look at it, and remove it");
}

function noSession(name: string, text: string): SourceError {
  const remedy =
    `\`guestmem session start ${name}\` starts it, \`guestmem session list\` lists all`;
  return new SourceError("session", "connect", "not-found", text, remedy);
}

function foreign(name: string, text: string): SourceError {
  const remedy = `nothing was sent there; use session "${name}" as that user`;
  return new SourceError("session", "connect", "permission", text, remedy);
}

async function connect(sys: Sys, name: string, path: string): Promise<number> {
  for (let tries = 0;; tries++) {
    try {
      return sys.connectUnix(path);
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      if (error.errno === "ECONNREFUSED" || error.errno === "ENOENT") {
        const text = `session "${name}" has ended without removing ${path}`;
        const remedy = `it holds nothing any more; \`guestmem session start ${name}\` replaces it`;
        throw new SourceError("session", "connect", "not-found", text, remedy);
      }
      if (error.errno !== "EAGAIN") throw error;
      if (tries >= TRIES) throw silent(name, TRIES * TRY_MS);
      await new Promise((resolve) => setTimeout(resolve, TRY_MS));
    }
  }
}

/** Who listens is who called listen(2), whatever became of the file since. */
function checkPeer(sys: Sys, name: string, fd: number): void {
  const { uid, pid } = sys.peerCredentials(fd);
  if (uid === sys.uid) return;
  throw foreign(
    name,
    `session "${name}" is run by user ${uid} (process ${pid}), not by ${sys.uid}`,
  );
}

async function firstLine(
  sys: Sys,
  reader: AnswerReader,
  fd: number,
  signal: AbortSignal | null,
  name: string,
): Promise<string> {
  const end = performance.now() + GREETING_MS;
  while (true) {
    const line = nextOrRefused(reader, name);
    if (line !== null) return line;
    signal?.throwIfAborted();
    if (performance.now() > end) throw silent(name, GREETING_MS);
    await sys.poll([{ fd, events: POLLIN }], SLICE_MS);
  }
}

/** A session that closes before it greets has no room, or is about to end. */
function nextOrRefused(reader: AnswerReader, name: string): string | null {
  try {
    return reader.next();
  } catch (cause) {
    const text = `session "${name}" sent us away: it has too many clients, or is ending`;
    throw new SourceError("session", "connect", "busy", text, "try again", { cause });
  }
}

function greetingOf(line: string, name: string): Greeting {
  const greeting = parseLine(line) as Greeting | null;
  if (greeting?.protocol === PROTOCOL && greeting.session === name) return greeting;
  const got = JSON.stringify(line.slice(0, 80));
  throw new ProtocolError("session", "greeting", `protocol ${PROTOCOL} of session ${name}`, got);
}
