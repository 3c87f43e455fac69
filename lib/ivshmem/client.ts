/**
 * A client of an ivshmem server: the shared memory, the peers that come and go, and interrupts.
 *
 * Joining is seen by all peers: each is told of one more peer.
 *
 * @module
 */
import { POLLIN } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import { Poller } from "../../ffi/poller.ts";
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import { parseEventfd, signalEventfd } from "../kick/take_eventfd.ts";
import { ClientState } from "../wire/ivshmem/client_state.ts";
import { MessageReader } from "../wire/ivshmem/message_reader.ts";
import { within } from "./within.ts";

/** How to connect. */
export interface IvshmemClientOptions {
  readonly sys: Sys;
  /** The server's Unix socket. */
  readonly path: string;
  /** For the greeting up to the shared memory. Default 5000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | null;
}

/** An interrupt that reached us. */
export interface IvshmemInterrupt {
  readonly vector: number;
  /** Times it was rung since it was last seen; rings in between merge. */
  readonly count: bigint;
}

/** How long the stream must be silent for the greeting to be over: it has no end mark. */
const SETTLE_MS = 50;

/** What helps where the other side is none that we know. */
const LISTENER = "check that an ivshmem server listens there (guestmem ivshmem-server)";

/** Messages taken in one go, so that a chatty server does not starve the rest. */
const BURST = 1024;

/** A connection to an ivshmem server. */
export class IvshmemClient implements AsyncDisposable {
  readonly #sys: Sys;
  readonly #socket: Fd;
  readonly #state = new ClientState();
  readonly #reader = new MessageReader();
  readonly #poller: Poller;
  /** Own vectors, by number. */
  readonly #own: Fd[] = [];
  /** Peer → its doorbells, by vector. */
  readonly #peers = new Map<number, Fd[]>();
  readonly #counts: bigint[] = [];
  #memory: Fd | null = null;
  #ended: Error | "closed by the server" | null = null;
  #changed = Promise.withResolvers<void>();
  #interrupted = Promise.withResolvers<void>();
  #loop: Promise<void> = Promise.resolve();

  private constructor(sys: Sys, readonly path: string, socket: Fd) {
    this.#sys = sys;
    this.#socket = socket;
    this.#poller = new Poller(sys);
  }

  /**
   * Connects and waits for id and shared memory. Throws SourceError: `not-found` without a server,
   * `busy` on a silent one, `failed` for one that speaks otherwise.
   */
  static async connect(options: IvshmemClientOptions): Promise<IvshmemClient> {
    const { sys, path, timeoutMs = 5000 } = options;
    using undo = new DisposableStack();
    const socket = undo.use(new Fd(sys, sys.connectUnix(path)));
    const client = new IvshmemClient(sys, path, socket);
    undo.move();
    try {
      client.#start();
      await client.#greeting(timeoutMs, options.signal ?? null);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Our own peer id. */
  get id(): number {
    return this.#state.id as number;
  }

  /** Whether the server is of before QEMU 2.5. */
  get old(): boolean {
    return this.#state.old;
  }

  /** The shared memory, borrowed: it stays the client's. */
  get memory(): number {
    return (this.#memory as Fd).number;
  }

  /** Own vectors that others can ring. */
  get vectors(): number {
    return this.#own.length;
  }

  /** Other peers and their doorbells, as fds of this process, by vector. Changes as peers come and go. */
  get peers(): ReadonlyMap<number, readonly number[]> {
    return new Map(
      [...this.#peers].sort(([a], [b]) => a - b).map((
        [peer, fds],
      ) => [peer, fds.map((fd) => fd.number)]),
    );
  }

  /** How many vectors a peer has, ourselves included; null where it is not connected. */
  vectorsOf(peer: number): number | null {
    return this.#doorbells(peer)?.length ?? null;
  }

  /** Why no more notices come; null while the server is there. Doorbells work without it. */
  get ended(): string | null {
    return this.#ended instanceof Error ? this.#ended.message : this.#ended;
  }

  /** Times each own vector was rung since we joined. */
  get interrupts(): readonly bigint[] {
    return [...this.#counts];
  }

  /**
   * Rings a peer. Throws SourceError: `not-found` where it has no such vector, `busy` where its eventfd
   * is full. A peer that vanished meanwhile is rung in vain: nothing tells.
   */
  ring(peer: number, vector: number): void {
    const fd = this.#doorbells(peer)?.[vector];
    if (fd === undefined) throw this.#unknown(peer, vector);
    const what = `the eventfd of peer ${peer}, vector ${vector}, at ${this.path}`;
    signalEventfd(this.#sys, fd.number, { what, reader: `peer ${peer}` });
  }

  /** Waits until an own vector was rung more often than `seen` says, or the time is up. */
  async waitInterrupt(seen: readonly bigint[], timeoutMs: number): Promise<IvshmemInterrupt[]> {
    const end = performance.now() + timeoutMs;
    while (true) {
      const news = this.#news(seen);
      const left = end - performance.now();
      if (news.length > 0 || left <= 0) return news;
      await within(this.#interrupted.promise, left);
    }
  }

  /** Resolves after the next peer joined, left or got a vector, or the time is up. */
  async waitPeers(timeoutMs: number): Promise<void> {
    await within(this.#changed.promise, timeoutMs);
  }

  /** Leaves: the server tells the others. Closes everything, memory fd included. */
  async close(): Promise<void> {
    await this.#poller.close();
    await this.#loop;
    const fds = [...this.#own, ...this.#peers.values()].flat();
    for (const fd of [...fds, this.#memory, this.#socket]) fd?.close();
    closeAll(this.#sys, this.#reader.release());
  }

  /** {@linkcode IvshmemClient.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #doorbells(peer: number): readonly Fd[] | undefined {
    return peer === this.#state.id ? this.#own : this.#peers.get(peer);
  }

  #start(): void {
    this.#poller.add(this.#socket.number, POLLIN, () => this.#receive());
    this.#loop = this.#poller.run().catch((error) => this.#end(error));
  }

  async #greeting(timeoutMs: number, signal: AbortSignal | null): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!this.#state.hasMemory) {
      signal?.throwIfAborted();
      if (this.#ended instanceof Error) throw this.#ended;
      const left = end - performance.now();
      if (this.#ended !== null || left <= 0) throw this.#silent(left <= 0, timeoutMs);
      await within(this.#changed.promise, Math.min(left, 200));
    }
    await this.#settle(end);
  }

  /** Peers and own vectors follow the memory, without a last one: until nothing comes for a while. */
  async #settle(end: number): Promise<void> {
    let seen = -1;
    while (seen !== this.#state.messages && this.#ended === null && performance.now() < end) {
      seen = this.#state.messages;
      await new Promise((done) => setTimeout(done, SETTLE_MS));
    }
    if (this.#ended instanceof Error) throw this.#ended;
  }

  #receive(): void {
    try {
      for (let taken = 0; taken < BURST; taken++) {
        const target = this.#reader.target;
        const received = this.#sys.recvmsg(this.#socket.number, target, 1);
        if (received === null) return;
        if (received.length === 0) return this.#end("closed by the server");
        if (received.truncated) throw this.#lost(received.fds);
        const message = this.#reader.push(received.length, received.fds);
        if (message !== null) this.#take(message.value, message.fd);
      }
    } catch (error) {
      this.#end(this.#told(error));
    }
  }

  /** An error by the socket that it came from. */
  #told(error: unknown): Error {
    if (!(error instanceof ProtocolError)) {
      return error instanceof Error ? error : new Error(String(error));
    }
    const text = `${this.path} speaks otherwise: ${error.message}`;
    return new SourceError("ivshmem", "receive", "failed", text, LISTENER, { cause: error });
  }

  /** More fds than one, or more than we may open. */
  #lost(fds: readonly number[]): Error {
    closeAll(this.#sys, fds);
    const remedy = "raise the limit of open files (ulimit -n)";
    const text = `an fd that the server at ${this.path} sent was lost`;
    return new SourceError("ivshmem", "receive", "failed", text, remedy);
  }

  #take(value: number, number: number | null): void {
    using undo = new DisposableStack();
    const fd = number === null ? null : undo.use(new Fd(this.#sys, number));
    const event = this.#state.take(value, fd !== null);
    if (event.kind === "peer-gone") this.#forget(event.peer);
    else if (fd !== null && event.kind !== "surplus") {
      if (event.kind === "memory") this.#memory = fd;
      else assertEventfd(this.#sys, fd);
      if (event.kind === "own-vector") this.#listen(fd, event.vector);
      if (event.kind === "peer-vector") this.#know(event.peer, fd);
      undo.move();
    }
    this.#notify();
  }

  #listen(fd: Fd, vector: number): void {
    this.#own.push(fd);
    this.#counts[vector] = 0n;
    this.#poller.add(fd.number, POLLIN, () => this.#count(fd, vector));
  }

  #count(fd: Fd, vector: number): void {
    this.#counts[vector] += this.#sys.drain(fd.number);
    this.#interrupted.resolve();
    this.#interrupted = Promise.withResolvers();
  }

  #know(peer: number, fd: Fd): void {
    this.#peers.set(peer, [...this.#peers.get(peer) ?? [], fd]);
  }

  #forget(peer: number): void {
    for (const fd of this.#peers.get(peer) ?? []) fd.close();
    this.#peers.delete(peer);
  }

  #end(reason: Error | "closed by the server"): void {
    this.#ended = reason;
    this.#poller.remove(this.#socket.number);
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #news(seen: readonly bigint[]): IvshmemInterrupt[] {
    return this.#counts
      .map((count, vector) => ({ vector, count: count - (seen[vector] ?? 0n) }))
      .filter(({ count }) => count > 0n);
  }

  #silent(timedOut: boolean, timeoutMs: number): SourceError {
    const text = timedOut
      ? `${this.path} sent no shared memory within ${timeoutMs} ms`
      : `${this.path} closed the connection before it sent the shared memory`;
    return new SourceError("ivshmem", "connect", timedOut ? "busy" : "failed", text, LISTENER);
  }

  #unknown(peer: number, vector: number): SourceError {
    const known = this.#doorbells(peer);
    const text = known === undefined
      ? `no peer ${peer} at ${this.path}`
      : `peer ${peer} has no vector ${vector}`;
    const remedy = known === undefined
      ? `peers: ${[...this.#peers.keys()].join(", ") || "none"}`
      : `vectors: 0 to ${known.length - 1}`;
    return new SourceError("ivshmem", "ring", "not-found", text, remedy);
  }
}

/** Nothing else is ever polled, read or written: a server could hand out any file. */
function assertEventfd(sys: Sys, fd: Fd): void {
  if (parseEventfd(sys.readText(`/proc/self/fdinfo/${fd.number}`)) !== null) return;
  throw new ProtocolError("ivshmem", "doorbell", "an eventfd", "an fd of another kind");
}
