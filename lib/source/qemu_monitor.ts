/**
 * A conversation with a QMP monitor over its Unix socket.
 *
 * A monitor serves one client at a time. So connections are short: connect, ask, close; who needs
 * more asks again with a new one. Every wait has an end, and no line may grow without bound.
 *
 * @module
 */
import { O_PATH, POLLIN, POLLOUT } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, ProtocolError, SourceError } from "../errors.ts";
import { LineReader } from "../wire/qmp/line_reader.ts";
import {
  encodeCommand,
  type Message,
  parseMessage,
  type QemuVersion,
} from "../wire/qmp/message.ts";

/** A command and its arguments. */
export interface Command {
  readonly name: string;
  readonly args?: Readonly<Record<string, unknown>>;
}

/** What came back for a command. */
export type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly class: string; readonly description: string };

/** How long to wait. */
export interface ConnectOptions {
  readonly sys: Sys;
  /** Milliseconds until the greeting must be there; default 2000. */
  readonly greetingMs?: number;
  /** Milliseconds for the answers to one batch of commands; default 5000. */
  readonly answerMs?: number;
  readonly signal?: AbortSignal | null;
}

/** Commands that QEMU takes in one go (QEMU, docs/interop/qmp-spec: more would wait unread). */
const IN_FLIGHT = 8;
const GREETING_MS = 2000;
const ANSWER_MS = 5000;
/** How often an abort is noticed while waiting, in milliseconds. */
const ABORT_CHECK_MS = 100;
/** sun_path of sockaddr_un, less the NUL: unix(7). */
const PATH_LIMIT = 107;

/**
 * Connects, waits for the greeting and negotiates capabilities.
 *
 * Throws `SourceError`: `not-found` where nobody listens, `permission`, `busy` where another client
 * has the monitor, `unsupported` for a human monitor, `failed` where something else talks.
 */
export async function connectMonitor(path: string, options: ConnectOptions): Promise<QmpMonitor> {
  using undo = new DisposableStack();
  const fd = undo.use(connect(options.sys, path));
  const peer = options.sys.peerCredentials(fd.number).pid;
  const stream = new LineStream(fd, path, options);
  const version = await greeting(stream, path, options.greetingMs ?? GREETING_MS);
  const answerMs = options.answerMs ?? ANSWER_MS;
  const monitor = new QmpMonitor(stream, { version, path, peer, answerMs });
  await monitor.execute("qmp_capabilities");
  undo.move();
  return monitor;
}

/** An open, negotiated monitor. Dispose it soon: nobody else can talk to it meanwhile. */
export class QmpMonitor implements Disposable {
  readonly version: QemuVersion;
  readonly path: string;
  /** Who made the socket listen: QEMU itself, unless it was handed the socket. */
  readonly peer: number;
  readonly #answerMs: number;
  #trips = 0;
  #next = 1;

  /** Use {@linkcode connectMonitor}. */
  constructor(
    private readonly stream: LineStream,
    facts: { version: QemuVersion; path: string; peer: number; answerMs: number },
  ) {
    ({ version: this.version, path: this.path, peer: this.peer } = facts);
    this.#answerMs = facts.answerMs;
  }

  /** How often we have sent something and waited for the answer. */
  get roundTrips(): number {
    return this.#trips;
  }

  /** Asks one command and gives what it returns. Throws `SourceError` for an error answer. */
  async execute(name: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    const [reply] = await this.ask([{ name, args }]);
    if (reply.ok) return reply.value;
    const text = `${name}: ${reply.description} (${reply.class})`;
    throw new SourceError("qemu", `monitor ${this.path}`, "failed", text);
  }

  /** A line of the human monitor, and its text with LF line ends; null where it is refused. */
  async human(line: string): Promise<string | null> {
    return humanText((await this.ask([human(line)]))[0]);
  }

  /** Asks all, eight at a time, and gives the replies in the order of the commands. */
  async ask(commands: readonly Command[]): Promise<Reply[]> {
    const replies: Reply[] = [];
    for (let from = 0; from < commands.length; from += IN_FLIGHT) {
      replies.push(...await this.#batch(commands.slice(from, from + IN_FLIGHT)));
    }
    return replies;
  }

  /** Closes the socket; nothing the second time. */
  [Symbol.dispose](): void {
    this.stream[Symbol.dispose]();
  }

  async #batch(commands: readonly Command[]): Promise<Reply[]> {
    const first = this.#next;
    this.#next += commands.length;
    this.#trips++;
    const lines = commands.map(({ name, args }, index) => encodeCommand(name, args, first + index));
    const asked = `answers to ${commands.map(({ name }) => name).join(", ").slice(0, 80)}`;
    const deadline = performance.now() + this.#answerMs;
    for (const line of lines) await this.stream.send(line, asked, deadline);
    return await this.#collect(commands, first, asked, deadline);
  }

  async #collect(
    commands: readonly Command[],
    first: number,
    asked: string,
    deadline: number,
  ): Promise<Reply[]> {
    const replies = new Map<number, Reply>();
    while (replies.size < commands.length) {
      const message = await this.stream.next(asked, deadline);
      if (message.kind === "event" || message.kind === "greeting") continue;
      const index = (message.id ?? -1) - first;
      if (index < 0 || index >= commands.length || replies.has(index)) {
        const wanted = `an id from ${first} to ${first + commands.length - 1}`;
        const fault = new ProtocolError("qmp", "answer", wanted, `${message.id}`);
        throw otherwise(fault, this.path);
      }
      replies.set(index, replyOf(message));
    }
    return commands.map((_, index) => replies.get(index) as Reply);
  }
}

/** The command that runs a line of the human monitor. */
export function human(line: string): Command {
  return { name: "human-monitor-command", args: { "command-line": line } };
}

/** The text in the reply to a human monitor's line, with LF line ends; null where there is none. */
export function humanText(reply: Reply): string | null {
  return reply.ok && typeof reply.value === "string" ? reply.value.replaceAll("\r", "") : null;
}

function replyOf(message: Extract<Message, { kind: "return" | "error" }>): Reply {
  return message.kind === "return"
    ? { ok: true, value: message.value }
    : { ok: false, class: message.class, description: message.description };
}

async function greeting(
  stream: LineStream,
  path: string,
  milliseconds: number,
): Promise<QemuVersion> {
  const end = performance.now() + milliseconds;
  for (let early = 0;; early++) {
    const message = await stream.next("greeting", end);
    if (message.kind === "greeting") return message.version;
    // An event of that very moment can come before it: QEMU knows of us already.
    if (message.kind === "event" && early < EARLY_EVENTS) continue;
    throw otherwise(new ProtocolError("qmp", "first message", "a greeting", message.kind), path);
  }
}

/** Events before the greeting at most. */
const EARLY_EVENTS = 64;

const MONITOR_REMEDY = "Name a socket made with -qmp, or with -mon …,mode=control";

/** A failure to speak QMP, by the socket that it came from; any other error as it is. */
export function otherwise(error: unknown, path: string): unknown {
  if (!(error instanceof ProtocolError)) return error;
  const text = `${path} does not speak QMP: ${error.message}`;
  return new SourceError("qemu", "monitor", "failed", text, MONITOR_REMEDY, { cause: error });
}

function connect(sys: Sys, path: string): Fd {
  try {
    return new Fd(sys, viaShortPath(sys, path, (short) => sys.connectUnix(short)));
  } catch (error) {
    throw connectError(error, path);
  }
}

/** A socket's name holds 107 bytes; longer paths are reached through their directory's fd. */
function viaShortPath<T>(sys: Sys, path: string, run: (short: string) => T): T {
  if (new TextEncoder().encode(path).length <= PATH_LIMIT) return run(path);
  const cut = path.lastIndexOf("/");
  using directory = new Fd(sys, sys.open(path.slice(0, Math.max(1, cut)), O_PATH));
  return run(`/proc/self/fd/${directory.number}/${path.slice(cut + 1)}`);
}

function connectError(error: unknown, path: string): unknown {
  if (!isSyscallFailure(error)) return error;
  const fail = (kind: SourceError["kind"], text: string, remedy: string) =>
    new SourceError("qemu", "connect", kind, `${text} (${error.message})`, remedy, {
      cause: error,
    });
  switch (error.errno) {
    case "ENOENT":
    case "ENOTDIR":
      return fail("not-found", `no monitor socket ${path}`, "guestmem find lists the guests");
    case "ECONNREFUSED":
      return fail("not-found", `nobody listens on ${path}`, "The QEMU that made it has ended");
    case "EACCES":
    case "EPERM":
      return fail("permission", `no access to ${path}`, "Run as the user of QEMU, or as root");
    case "EAGAIN":
      return busyMonitor(path, error);
    default:
      return fail("failed", `monitor ${path}`, "");
  }
}

const BUSY_REMEDY = "Give the guest a monitor of its own: -qmp unix:PATH,server=on,wait=off " +
  "(libvirt: <qemu:commandline>); or end the other client";

/** The error for a monitor that serves somebody else. */
export function busyMonitor(path: string, cause?: unknown): SourceError {
  const text = `monitor ${path} gives us no greeting: another client holds it, such as libvirt`;
  return new SourceError("qemu", "greeting", "busy", text, BUSY_REMEDY, { cause });
}

/** Messages over a socket, with deadlines. */
class LineStream implements Disposable {
  readonly #lines = new LineReader("qmp");
  readonly #chunk = new Uint8Array(64 << 10);
  readonly #waiting: string[] = [];
  /** Whether any byte has come. */
  #spoken = false;

  constructor(
    private readonly fd: Fd,
    private readonly path: string,
    private readonly options: ConnectOptions,
  ) {}

  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }

  /** The next message. `what` is for errors; `deadline` is on performance.now's clock. */
  async next(what: string, deadline: number): Promise<Message> {
    while (this.#waiting.length === 0) {
      const received = this.#receive(what);
      if (received === null) await this.#ready(POLLIN, what, deadline);
      else this.#waiting.push(...this.#split(this.#chunk.subarray(0, received)));
    }
    // A peer that floods us with events must not keep us past the deadline either.
    if (performance.now() > deadline) throw this.#late(what);
    return this.#speaking(() => parseMessage(this.#waiting.shift() as string));
  }

  /** Sends all of a command. */
  async send(line: Uint8Array, what: string, deadline: number): Promise<void> {
    for (let at = 0; at < line.length;) {
      const sent = this.#guard(
        what,
        () => this.options.sys.sendmsg(this.fd.number, line.subarray(at), []),
      );
      if (sent === null) await this.#ready(POLLOUT, what, deadline);
      else at += sent;
    }
  }

  #receive(what: string): number | null {
    const received = this.#guard(
      what,
      () => this.options.sys.recvmsg(this.fd.number, this.#chunk, 0),
    );
    if (received === null) return null;
    if (received.length === 0) {
      this.#speaking(() => this.#lines.end());
      throw this.#closed(what);
    }
    this.#spoken = true;
    return received.length;
  }

  #split(bytes: Uint8Array): string[] {
    const lines = this.#speaking(() => this.#lines.push(bytes));
    // A human monitor's banner: "QEMU 7.2.22 monitor - type 'help' for more information".
    const banner = lines.find((line) => /^QEMU [0-9.]+ monitor/.test(line));
    if (banner === undefined) return lines;
    const text = `${this.path} is a human monitor, not a QMP one`;
    throw new SourceError("qemu", "greeting", "unsupported", text, MONITOR_REMEDY);
  }

  #speaking<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw otherwise(error, this.path);
    }
  }

  /** A peer that is gone shows as ECONNRESET or EPIPE. */
  #guard<T>(what: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      const gone = isSyscallFailure(error) && ["ECONNRESET", "EPIPE"].includes(error.errno);
      throw gone ? this.#closed(what, error) : error;
    }
  }

  async #ready(events: number, what: string, deadline: number): Promise<void> {
    const { sys, signal } = this.options;
    while (true) {
      signal?.throwIfAborted();
      const rest = Math.ceil(deadline - performance.now());
      if (rest <= 0) throw this.#late(what);
      const slice = signal ? Math.min(rest, ABORT_CHECK_MS) : rest;
      const [ready] = await sys.poll([{ fd: this.fd.number, events }], slice);
      if (ready !== 0) return;
    }
  }

  #closed(what: string, cause?: unknown): SourceError {
    const text = `monitor ${this.path} was closed while waiting for the ${what}`;
    return new SourceError("qemu", "monitor", "not-found", text, "QEMU has ended, or is ending", {
      cause,
    });
  }

  #late(what: string): SourceError {
    if (what === "greeting" && !this.#spoken) return busyMonitor(this.path);
    const held = this.#lines.pending > 0 ? ` (${this.#lines.pending} bytes of a line came)` : "";
    const text = `monitor ${this.path}: no ${what} in time${held}`;
    const remedy = "QEMU is stopped or its main loop hangs; look at its process";
    return new SourceError("qemu", "monitor", "failed", text, remedy);
  }
}
