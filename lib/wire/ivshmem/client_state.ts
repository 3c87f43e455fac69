/**
 * What a client knows after each message of the server. Pure: fds stay with the caller, who is told
 * what each is for.
 *
 * ```
 * new:  0(version)  id  -1+fd  peer+fd…  own+fd…   then  peer+fd (joins)  peer (leaves)
 * old:              id  -1+fd  …                   QEMU before 2.5: no version
 * ```
 *
 * A first message `0` is a version or an old server's id 0; the second one tells: only an old server
 * sends the memory there. (Our inference; the specification has no rule.)
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";
import { MAX_VECTORS, MEMORY, VERSION } from "./message.ts";

/** What a message means. Where an fd came with it, `fd` says whose it is. */
export type ClientEvent =
  /** Nothing yet: the first message, whose meaning the second decides. */
  | { readonly kind: "first" }
  | { readonly kind: "id"; readonly id: number }
  /** The fd is the shared memory. `id` where this message also settles it (old protocol). */
  | { readonly kind: "memory" }
  /** The fd rings vector `vector` of another peer. `joined`: its first. */
  | {
    readonly kind: "peer-vector";
    readonly peer: number;
    readonly vector: number;
    readonly joined: boolean;
  }
  /** The fd is signalled when our own vector `vector` is rung. */
  | { readonly kind: "own-vector"; readonly vector: number }
  /** The peer left: close all of its fds. */
  | { readonly kind: "peer-gone"; readonly peer: number }
  /** More vectors than anyone can ring: close the fd. */
  | { readonly kind: "surplus"; readonly peer: number };

/** The protocol's client side, message by message. */
export class ClientState {
  #first: number | null = null;
  #id: number | null = null;
  #old = false;
  #memory = false;
  #messages = 0;
  readonly #vectors = new Map<number, number>();

  /** Our own id; null before the server told it. */
  get id(): number | null {
    return this.#id;
  }

  /** Whether the server speaks the protocol of before QEMU 2.5. */
  get old(): boolean {
    return this.#old;
  }

  /** Whether the shared memory has come. */
  get hasMemory(): boolean {
    return this.#memory;
  }

  /** Messages taken. */
  get messages(): number {
    return this.#messages;
  }

  /** How many vectors a peer, or we ourselves, have; 0 for unknown ones. */
  vectorsOf(peer: number): number {
    return this.#vectors.get(peer) ?? 0;
  }

  /** Peers other than ourselves that have a vector, by id. */
  peers(): number[] {
    return [...this.#vectors.keys()].filter((peer) => peer !== this.#id).sort((a, b) => a - b);
  }

  /**
   * Takes one message. `value` is from -1 to 65535, as `decodeMessage` gives it. Throws ProtocolError
   * for a violation: the caller closes the fd and the connection.
   */
  take(value: number, hasFd: boolean): ClientEvent {
    this.#messages++;
    if (this.#first === null) return this.#takeFirst(value, hasFd);
    if (this.#id === null) return this.#takeSecond(value, hasFd);
    if (value === MEMORY) return this.#takeMemory(hasFd);
    return hasFd ? this.#takeVector(value) : this.#takeLeave(value);
  }

  #takeFirst(value: number, hasFd: boolean): ClientEvent {
    if (hasFd) throw this.#violation("first message", "no fd", "an fd");
    if (value < 0) throw this.#violation("first message", "a version or an id", String(value));
    this.#first = value;
    return { kind: "first" };
  }

  #takeSecond(value: number, hasFd: boolean): ClientEvent {
    const first = this.#first as number;
    if (value === MEMORY && hasFd) {
      this.#old = true;
      this.#id = first;
      return this.#takeMemory(hasFd);
    }
    if (first !== VERSION) throw this.#violation("version", String(VERSION), String(first));
    if (hasFd || value < 0) {
      throw this.#violation("own id", "an id without fd", describe(value, hasFd));
    }
    this.#id = value;
    return { kind: "id", id: value };
  }

  #takeMemory(hasFd: boolean): ClientEvent {
    if (!hasFd) throw this.#violation("shared memory", "an fd", "none");
    if (this.#memory) throw this.#violation("shared memory", "one", "a second");
    this.#memory = true;
    return { kind: "memory" };
  }

  #takeVector(peer: number): ClientEvent {
    const vector = this.vectorsOf(peer);
    if (vector >= MAX_VECTORS) return { kind: "surplus", peer };
    this.#vectors.set(peer, vector + 1);
    if (peer === this.#id) return { kind: "own-vector", vector };
    return { kind: "peer-vector", peer, vector, joined: vector === 0 };
  }

  /** A peer without vectors can leave too: nobody was told that it came. */
  #takeLeave(peer: number): ClientEvent {
    if (peer === this.#id) {
      throw this.#violation("peer gone", "another peer's id", `our own, ${peer}`);
    }
    this.#vectors.delete(peer);
    return { kind: "peer-gone", peer };
  }

  #violation(item: string, wanted: string, got: string): ProtocolError {
    return new ProtocolError("ivshmem", item, wanted, got, (this.#messages - 1) * 8);
  }
}

function describe(value: number, hasFd: boolean): string {
  return `${value} ${hasFd ? "with" : "without"} fd`;
}
