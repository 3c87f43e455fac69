/**
 * A server of the ivshmem protocol: gives every client the same memory, and every client's
 * doorbells to all others. QEMU's own server is an example program that no distribution ships.
 *
 * @module
 */
import { EFD_NONBLOCK, POLLIN, POLLOUT } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { Poller } from "../../ffi/poller.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import { encodeMessage, MAX_VECTORS } from "../wire/ivshmem/message.ts";
import {
  joinMessages,
  leaveMessages,
  nextId,
  type ServerMessage,
} from "../wire/ivshmem/server_messages.ts";
import { unlinkOwn } from "../tap/listener.ts";
import { openSharedMemory } from "./shared_memory.ts";

/** What to serve. */
export interface IvshmemServerOptions {
  /** Default: the real system calls. */
  readonly sys?: Sys;
  /** Unix socket to listen on: made with mode 0600, removed at the end. */
  readonly path: string;
  /** Bytes: a power of two, at least 4096. */
  readonly size: number;
  /** Doorbells per client, 1 to 256. */
  readonly vectors: number;
  /** Name in /dev/shm; null (the default) for a memfd. */
  readonly shmName?: string | null;
  /** Told of each client that comes or goes. */
  readonly onEvent?: (event: IvshmemServerEvent) => void;
}

/** A client came, went, or could not be taken. */
export interface IvshmemServerEvent {
  readonly kind: "joined" | "left" | "refused";
  /** null for one that got no id. */
  readonly peer: number | null;
  /** For people: `peer 3 left`. */
  readonly text: string;
}

/** Clients at once: each costs one fd and its vectors, here and in every peer. */
const MAX_PEERS = 1024;

/** How long accept rests when there is no fd left for another client, in milliseconds. */
const REST_MS = 100;

/** Messages that wait for a slow client before it is dropped. */
const MAX_WAITING = 1 << 16;

interface Client {
  readonly id: number;
  readonly socket: Fd;
  /** What its interrupts arrive on, by vector. */
  readonly eventfds: readonly Fd[];
  readonly waiting: ServerMessage[];
  /** Bytes of `waiting[0]` that are sent. */
  sent: number;
}

/** A running server. Disposing it disconnects all clients and removes the socket. */
export class IvshmemServer implements AsyncDisposable {
  readonly #sys: Sys;
  readonly #clients = new Map<number, Client>();
  readonly #poller: Poller;
  readonly #loop: Promise<void>;
  /** Of the socket's file. */
  readonly #inode: number;
  #last = -1;
  #closed = false;
  #resting: ReturnType<typeof setTimeout> | undefined;

  /** Takes over both fds. See {@linkcode startIvshmemServer}. */
  constructor(
    private readonly options: IvshmemServerOptions & { readonly sys: Sys },
    private readonly listener: Fd,
    private readonly memory: Fd,
  ) {
    this.#sys = options.sys;
    this.#inode = options.sys.stat(options.path).inode;
    this.#poller = new Poller(this.#sys);
    this.#poller.add(listener.number, POLLIN, () => this.#accept());
    this.#loop = this.#poller.run();
    // Whoever awaits `done` learns of it; nobody needs to.
    this.#loop.catch(() => {});
  }

  /** The socket's path. */
  get path(): string {
    return this.options.path;
  }

  /** Ids of the clients, by age. */
  get peers(): readonly number[] {
    return [...this.#clients.keys()];
  }

  /** Rejects if the server fails; resolves when it is closed. */
  get done(): Promise<void> {
    return this.#loop;
  }

  /** Ends it; clients keep memory and doorbells, as the protocol has it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#resting);
    await this.#poller.close();
    for (const client of this.#clients.values()) release(client);
    this.#clients.clear();
    this.listener.close();
    this.memory.close();
    unlinkOwn(this.#sys, this.options.path, this.#inode);
  }

  /** {@linkcode IvshmemServer.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tell(kind: IvshmemServerEvent["kind"], peer: number | null, text: string): void {
    this.options.onEvent?.({ kind, peer, text });
  }

  #accept(): void {
    const number = this.#accepted();
    if (number === null) return;
    using undo = new DisposableStack();
    const socket = undo.use(new Fd(this.#sys, number));
    const client = this.#admit(socket, undo);
    if (client === null) return;
    undo.move();
    this.#poller.add(socket.number, POLLIN, (revents) => this.#ready(client, revents));
    const others = this.#others(client.id);
    this.#clients.set(client.id, client);
    this.#tell("joined", client.id, `peer ${client.id} joined`);
    this.#send(joinMessages(serverPeer(client), others.map(serverPeer)));
  }

  #accepted(): number | null {
    try {
      return this.#sys.accept(this.listener.number);
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      this.#tell("refused", null, `client refused: ${error.message}`);
      this.#rest();
      return null;
    }
  }

  /** EMFILE and the like: the client still waits, so poll would call again at once. */
  #rest(): void {
    const { number } = this.listener;
    this.#poller.change(number, 0);
    this.#resting = setTimeout(() => this.#poller.change(number, POLLIN), REST_MS);
  }

  /** Its id and eventfds; null, with nothing left open, where there is no room. */
  #admit(socket: Fd, undo: DisposableStack): Client | null {
    const { vectors } = this.options;
    const sys = this.#sys;
    const id = nextId(this.#last, new Set(this.#clients.keys()));
    if (id === null || this.#clients.size >= MAX_PEERS) {
      this.#tell("refused", null, `client refused: ${this.#clients.size} peers are connected`);
      return null;
    }
    try {
      const eventfds = Array.from(
        { length: vectors },
        () => undo.use(new Fd(sys, sys.eventfd(0, EFD_NONBLOCK))),
      );
      this.#last = id;
      return { id, socket, eventfds, waiting: [], sent: 0 };
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      this.#tell("refused", null, `client refused: ${error.message}`);
      return null;
    }
  }

  #others(id: number): Client[] {
    return [...this.#clients.values()].filter((client) => client.id !== id);
  }

  #ready(client: Client, revents: number): void {
    if ((revents & POLLOUT) !== 0) this.#flush(client);
    if ((revents & ~POLLOUT) !== 0 && this.#clients.has(client.id)) this.#hear(client);
  }

  /** Clients never write: a byte is a violation, as the end is an end. */
  #hear(client: Client): void {
    try {
      const received = this.#sys.recvmsg(client.socket.number, new Uint8Array(64), 0);
      if (received === null) return;
      const why = received.length === 0 ? "left" : "dropped: it wrote to the server";
      this.#drop(client, why);
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      this.#drop(client, `left: ${error.message}`);
    }
  }

  #drop(client: Client, why: string): void {
    if (!this.#clients.delete(client.id)) return;
    this.#poller.remove(client.socket.number);
    release(client);
    this.#tell("left", client.id, `peer ${client.id} ${why}`);
    this.#send(leaveMessages(client.id, [...this.#clients.values()].map(serverPeer)));
  }

  #send(messages: readonly ServerMessage[]): void {
    for (const message of messages) this.#clients.get(message.to)?.waiting.push(message);
    for (const id of new Set(messages.map(({ to }) => to))) {
      const client = this.#clients.get(id);
      if (client !== undefined) this.#flush(client);
    }
  }

  /** Sends what a client can take now; the rest when it can take more. */
  #flush(client: Client): void {
    try {
      while (client.waiting.length > 0 && this.#push(client, client.waiting[0]));
    } catch (error) {
      if (!isSyscallFailure(error)) throw error;
      return this.#drop(client, `dropped: ${error.message}`);
    }
    if (client.waiting.length > MAX_WAITING) return this.#drop(client, "dropped: it does not read");
    const events = client.waiting.length > 0 ? POLLIN | POLLOUT : POLLIN;
    this.#poller.change(client.socket.number, events);
  }

  #push(client: Client, message: ServerMessage): boolean {
    const bytes = encodeMessage(message.value).subarray(client.sent);
    const fds = client.sent === 0 ? this.#fds(message) : [];
    // The peer whose doorbell this was has left since: its leave follows.
    if (fds !== null) {
      const sent = this.#sys.sendmsg(client.socket.number, bytes, fds);
      if (sent === null) return false;
      client.sent += sent;
      if (sent < bytes.length) return true;
    }
    client.sent = 0;
    client.waiting.shift();
    return true;
  }

  #fds({ fd }: ServerMessage): number[] | null {
    if (fd.kind === "none") return [];
    if (fd.kind === "memory") return [this.memory.number];
    const eventfd = this.#clients.get(fd.peer)?.eventfds[fd.vector];
    return eventfd === undefined ? null : [eventfd.number];
  }
}

function serverPeer(client: Client): { id: number; vectors: number } {
  return { id: client.id, vectors: client.eventfds.length };
}

function release(client: Client): void {
  for (const fd of [client.socket, ...client.eventfds]) fd.close();
}

/**
 * Starts a server. Throws RangeError for a size or a number of vectors that no peer could use,
 * SyscallError where the socket can not be made (EADDRINUSE: somebody else's, or left behind),
 * SourceError for a shared memory object of another size.
 */
export function startIvshmemServer(options: IvshmemServerOptions): IvshmemServer {
  const { sys = openSys(), path, size, vectors, shmName = null } = options;
  if (!Number.isInteger(vectors) || vectors < 1 || vectors > MAX_VECTORS) {
    throw new RangeError(`${vectors} vectors: want 1 to ${MAX_VECTORS}`);
  }
  using undo = new DisposableStack();
  const memory = undo.use(openSharedMemory({ sys, size, shmName }));
  const listener = undo.use(new Fd(sys, sys.listenUnix(path, 16)));
  const server = new IvshmemServer({ ...options, sys }, listener, memory);
  undo.move();
  return server;
}
