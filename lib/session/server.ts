/**
 * A long-lived session: holds attachments and taps, and shares them by a Unix socket of the user's
 * own (folder 0700, socket 0600, peers checked by SO_PEERCRED). Whatever ends the process ends every
 * mapping, as they are in it.
 *
 * @module
 */
import { closeAll } from "../../ffi/fd.ts";
import { Poller } from "../../ffi/poller.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import { openListener } from "../tap/listener.ts";
import { checkName, lockFolder, makeFolder, sessionFolder, socketPath } from "./folder.ts";
import { createHolder, type Holder } from "./holder.ts";
import { openPort, type Outgoing } from "./port.ts";
import {
  ANSWER_LIMIT,
  decodeLine,
  encodeLine,
  type Greeting,
  PROTOCOL,
  type Request,
} from "./protocol.ts";
import { type Answering, answersOf } from "./requests.ts";
import { toWire } from "./wire_error.ts";

/** How to serve. */
export interface ServerOptions {
  readonly name: string;
  /** Default: the real system calls. */
  readonly sys?: Sys;
  /** Default: the user's own, see `folder.ts`. */
  readonly folder?: string;
  /** Clients at a time; a command is two while it runs. Default 128. */
  readonly maxClients?: number;
  /** Milliseconds in which a client must read its answer. Default 10 s. */
  readonly stallMs?: number;
  /** Gets a line for each client that was sent away. */
  readonly log?: (line: string) => void;
}

/** A running session. Disposing it lets go of everything and removes the socket. */
export interface SessionServer extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly socket: string;
  /** Milliseconds since the epoch. */
  readonly started: number;
  readonly holder: Holder;
  /** Clients connected now. */
  readonly clients: number;
  /** Resolves when a client asked to stop; rejects where the session can not go on. */
  readonly done: Promise<void>;
}

/**
 * Starts a session. Throws `SourceError`: `busy` where one of that name runs, `permission` where the
 * folder is not ours alone; and `SyscallError`. What a killed session left behind is replaced.
 */
export function startSession(options: ServerOptions): SessionServer {
  const { name, sys = openSys(), maxClients = 128, stallMs = 10_000, log = () => {} } = options;
  const folder = options.folder ?? sessionFolder(sys);
  checkName(name);
  makeFolder(sys, folder);
  const socket = socketPath(folder, name);
  const started = Date.now();
  const stopped = Promise.withResolvers<void>();
  const holder = createHolder(name, sys);
  const greeting: Greeting = { protocol: PROTOCOL, session: name, pid: sys.pid, started };
  const answers = answersOf(sys, holder);
  const clients = new Set<Disposable>();

  using undo = new DisposableStack();
  const poller = new Poller(sys);
  undo.defer(() => void poller.close());
  const listener = undo.use(listen());

  function listen(): Disposable {
    using _lock = lockFolder(folder);
    const room = () => clients.size < maxClients;
    const refuse = (reason: string) => log(`a client was sent away: ${reason}`);
    try {
      return openListener({ sys, poller, path: socket, allowUid: null, room, accept, refuse });
    } catch (error) {
      throw explained(error, name, socket);
    }
  }

  function accept(fd: number): void {
    const port = openPort({
      sys,
      poller,
      fd,
      stallMs,
      greeting: encodeLine(greeting),
      answer: (line, signal) => answer(sys, answers, line, { signal, stop: stopSoon }),
      ended: (reason) => {
        clients.delete(port);
        if (reason !== "left") log(`a client was sent away: ${reason}`);
      },
    });
    clients.add(port);
  }

  /** The client is to have its answer first. */
  function stopSoon(): void {
    setTimeout(() => stopped.resolve(), 10);
  }

  async function close(): Promise<void> {
    listener[Symbol.dispose]();
    clients.forEach((client) => client[Symbol.dispose]());
    clients.clear();
    await poller.close();
    await holder[Symbol.asyncDispose]();
    stopped.resolve();
  }

  poller.run().catch((error) => stopped.reject(error));
  // Whoever awaits `done` learns of it; nobody needs to.
  stopped.promise.catch(() => {});
  undo.move();
  return {
    ...{ name, pid: sys.pid, socket, started, holder },
    get clients() {
      return clients.size;
    },
    done: stopped.promise,
    [Symbol.asyncDispose]: close,
  };
}

/** What the listener says of a path, in the words of a session. */
function explained(error: unknown, name: string, socket: string): unknown {
  if (!(error instanceof SourceError) || error.kind !== "busy") return error;
  const text = `a session "${name}" runs already (${socket})`;
  const remedy = `\`guestmem session stop ${name}\` ends it, or take another name`;
  return new SourceError("session", "start", "busy", text, remedy, { cause: error });
}

/** Lines that go with one answer at most, of each kind. */
const TOLD = 100;

/** One line's answer, whatever the line is. */
async function answer(
  sys: Sys,
  answers: Answering,
  line: string,
  { signal, stop }: { readonly signal: AbortSignal; readonly stop: () => void },
): Promise<Outgoing> {
  const [told, notices]: [string[], string[]] = [[], []];
  const log = (text: string) => void (told.length < TOLD && told.push(text));
  const notice = (text: string) => void (notices.length < TOLD && notices.push(text));
  try {
    const request = decodeLine(line) as Request;
    const { value, fds } = await answers(request, { signal, log, notice, stop });
    const bytes = encodeLine({ ok: value, fds: fds.length, log: told, notices });
    if (bytes.length <= ANSWER_LIMIT) return { bytes, fds };
    closeAll(sys, fds);
    throw new RangeError(`answer of ${bytes.length} bytes`);
  } catch (error) {
    return { bytes: encodeLine({ error: toWire(error), log: told, notices }), fds: [] };
  }
}
