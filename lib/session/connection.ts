/**
 * A client's end of a connection to a session: questions and answers, by waiting or by blocking.
 *
 * @module
 */
import { POLLIN, POLLOUT } from "../../ffi/constants.ts";
import { closeAll, type Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, ProtocolError, SourceError } from "../errors.ts";
import { LineReader } from "../wire/qmp/line_reader.ts";
import {
  ANSWER_LIMIT,
  decodeLine,
  encodeLine,
  FD_LIMIT,
  type Greeting,
  type Request,
} from "./protocol.ts";
import { fromWire, type WireError } from "./wire_error.ts";

/** An answer. */
export interface Answer<T> {
  readonly value: T;
  /** The caller's from now on. */
  readonly fds: readonly number[];
}

/**
 * A connection. One question at a time; after a failure of the connection itself every further
 * question fails likewise. Errors of the session are thrown here as they were there.
 */
export interface Connection extends Disposable {
  readonly greeting: Greeting;
  /** Asks and waits. */
  ask<T>(request: Request): Promise<Answer<T>>;
  /** Asks and blocks the thread, at most a minute: for reads, which can not wait. */
  askNow<T>(request: Request): Answer<T>;
}

/** What a connection is made of. */
export interface ConnectionParts {
  readonly sys: Sys;
  readonly name: string;
  /** Taken over. */
  readonly fd: Fd;
  readonly reader: AnswerReader;
  readonly greeting: Greeting;
  /** Gives up when aborted, also in the middle of a question. */
  readonly signal: AbortSignal | null;
  /** Gets what the session logged while it worked on a question. */
  readonly log: (line: string) => void;
  /** Gets what the session's user should know in any case. */
  readonly notice: (line: string) => void;
}

/** Longest time that a blocking question may take. Finding a Xen guest's memory takes seconds. */
const BLOCK_MS = 60_000;

/** Between two looks at the signal, in milliseconds. */
export const SLICE_MS = 100;

/** Bytes taken at a time. */
const CHUNK = 64 << 10;

/** Takes lines and their fds off a socket. */
export interface AnswerReader {
  /** The next line, or null where it is not all there. Throws where the session has ended. */
  next(): string | null;
  /** fds that came since the last call. */
  takeFds(): number[];
}

/** The reader of a session's lines. */
export function answerReader(sys: Sys, fd: number, name: string): AnswerReader {
  const lines = new LineReader("session", ANSWER_LIMIT);
  const buffer = new Uint8Array(CHUNK);
  const ready: string[] = [];
  const fds: number[] = [];
  const next = () => {
    while (ready.length === 0) {
      const got = sys.recvmsg(fd, buffer, FD_LIMIT);
      if (got === null) return null;
      fds.push(...got.fds);
      if (got.length === 0) throw ended(name);
      ready.push(...lines.push(buffer.subarray(0, got.length)));
    }
    return ready.shift() as string;
  };
  const takeFds = () => fds.splice(0);
  return { next, takeFds };
}

/** Opens a connection that was greeted. */
export function openConnection(parts: ConnectionParts): Connection {
  const { sys, name, fd, reader, greeting, signal } = parts;
  let broken: unknown = null;
  let asking = false;

  /** Sends a question and gives its answer's line; yields what to wait for. */
  function* transfer(request: Request): Generator<number, string> {
    for (let rest: Uint8Array = encodeLine(request); rest.length > 0;) {
      const sent = sys.sendmsg(fd.number, rest, []);
      if (sent === null) yield POLLOUT;
      else rest = rest.subarray(sent);
    }
    while (true) {
      const line = reader.next();
      if (line !== null) return line;
      yield POLLIN;
    }
  }

  function* question<T>(request: Request): Generator<number, Answer<T>> {
    if (broken !== null) throw broken;
    if (asking) throw new Error("a question is being asked already");
    asking = true;
    let line: string;
    try {
      line = yield* transfer(request);
    } catch (error) {
      throw broken = isSyscallFailure(error) ? ended(name, error) : error;
    } finally {
      asking = false;
    }
    return unwrap<T>(line, reader.takeFds(), parts);
  }

  async function ask<T>(request: Request): Promise<Answer<T>> {
    const steps = question<T>(request);
    for (let step = steps.next();; step = steps.next()) {
      if (step.done) return step.value;
      await sys.poll([{ fd: fd.number, events: step.value }], SLICE_MS);
      if (signal?.aborted) giveUp(steps, signal.reason);
    }
  }

  function askNow<T>(request: Request): Answer<T> {
    const end = performance.now() + BLOCK_MS;
    const steps = question<T>(request);
    for (let step = steps.next();; step = steps.next()) {
      if (step.done) return step.value;
      const left = Math.ceil(end - performance.now());
      if (left <= 0) giveUp(steps, silent(name, BLOCK_MS));
      sys.pollNow([{ fd: fd.number, events: step.value }], left);
    }
  }

  /** An answer that nobody waits for would be taken for the next one's. */
  function giveUp(steps: Generator<number, unknown>, reason: unknown): never {
    broken = reason;
    steps.return(undefined);
    throw reason;
  }

  function close(): void {
    broken ??= new Error("the connection is closed");
    closeAll(sys, reader.takeFds());
    fd.close();
  }

  return { greeting, ask, askNow, [Symbol.dispose]: close };
}

/** An answer's line with its fds, or the error in it, thrown. */
function unwrap<T>(
  line: string,
  fds: readonly number[],
  { sys, log, notice }: Pick<ConnectionParts, "sys" | "log" | "notice">,
): Answer<T> {
  const answer = parseLine(line) as {
    readonly ok?: T;
    readonly fds?: number;
    readonly error?: WireError;
    readonly log?: readonly string[];
    readonly notices?: readonly string[];
  };
  answer.log?.forEach((text) => log(`session: ${text}`));
  answer.notices?.forEach(notice);
  if (answer.error === undefined && fds.length === answer.fds) {
    return { value: answer.ok as T, fds };
  }
  closeAll(sys, fds);
  if (answer.error !== undefined) throw fromWire(answer.error);
  const got = `${fds.length} (is there room for more files? see ulimit -n)`;
  throw new ProtocolError("session", "answer", `${answer.fds} fds`, got);
}

/** A line's message. Throws ProtocolError. */
export function parseLine(line: string): unknown {
  try {
    return decodeLine(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ProtocolError("session", "line", "JSON", JSON.stringify(line.slice(0, 80)));
  }
}

/** The error for a session that was stopped or killed while we were connected. */
function ended(name: string, cause?: unknown): SourceError {
  const text = `session "${name}" has ended, and with it all that it held`;
  const remedy = `\`guestmem session start ${name}\` starts it anew; then map again`;
  return new SourceError("session", "ask", "not-found", text, remedy, { cause });
}

/** The error for a session that does not answer. */
export function silent(name: string, limit: number): SourceError {
  const text = `session "${name}" does not answer within ${limit / 1000} s`;
  const remedy = "it may be stopped (SIGSTOP) or busy: look at its process";
  return new SourceError("session", "ask", "busy", text, remedy);
}
