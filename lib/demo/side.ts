/**
 * What the two workers of the demo share: the messages with their owner, the guest's memory as each
 * maps it, and the loop that waits for notifications and for the clock.
 *
 * @module
 */
import { EFD_NONBLOCK, POLLIN } from "../../ffi/constants.ts";
import { Mapping } from "../../ffi/mapping.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";
import { guestAddress } from "../address.ts";
import { WritableGuestMemory } from "../memory/guest_memory.ts";
import { RegionTable } from "../memory/region_table.ts";
import type { BreakName } from "./breaks.ts";
import { Counters } from "./counters.ts";
import { MEMORY, MEMORY_LENGTH, type QueueFds } from "./plan.ts";

/** Flags of the demo's eventfds. */
export const EVENTFD_FLAGS = EFD_NONBLOCK;

/** What the owner tells a worker at the start. fds are numbers of the process. */
export interface Start {
  readonly memoryFd: number;
  /** Readable when the worker is to end; never read. */
  readonly stopFd: number;
  readonly fds: readonly QueueFds[];
  readonly counters: SharedArrayBuffer;
  /** Requests per second and queue. */
  readonly rate: number;
  /** Number of the queue that a break is about. */
  readonly breakQueue: number;
}

/** What a worker tells: it is set up, it has let go of everything, or why it could not go on. */
export type Told = "ready" | "ended" | { readonly failed: string };

/** A worker's end of the channel. */
interface Port {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: Told): void;
  close(): void;
}

/** One queue's engine, of either side. */
export interface Engine {
  /** The eventfd that wakes it, or null while it does not listen. */
  readonly wakeFd: number | null;
  /** It was woken. */
  woken(now: number): void;
  /** Time has passed. `broken` is the break in force on this queue. */
  tick(now: number, broken: BreakName | null): void;
}

/** What a side is built from. */
export interface SideContext {
  readonly sys: Sys;
  readonly memory: WritableGuestMemory;
  readonly counters: Counters;
  readonly start: Start;
  /**
   * Signals an eventfd once all engines have had their turn: the other side then wakes up once, and
   * not for each of them.
   */
  readonly signal: (fd: number) => void;
}

/** Milliseconds between two ticks: more often only where the rate asks for it. */
function tickLength(rate: number): number {
  return Math.max(1, Math.min(25, 5000 / rate));
}

/**
 * Runs a worker: waits for `Start`, builds the engines, says `ready`, and waits for `go` before
 * anything moves. Ends when the stop fd is readable; says `ended` when all is unmapped and closed.
 */
export function runSide(build: (context: SideContext) => Engine[]): void {
  const port = globalThis as unknown as Port;
  const go = Promise.withResolvers<void>();
  port.onmessage = ({ data }) => {
    if (data === "go") return go.resolve();
    const start = data as Start;
    serve(start, build, () => {
      port.postMessage("ready");
      return go.promise;
    }).then(
      () => port.postMessage("ended"),
      (error) => port.postMessage({ failed: String(error) }),
    ).finally(() => port.close());
  };
}

async function serve(
  start: Start,
  build: (context: SideContext) => Engine[],
  ready: () => Promise<void>,
): Promise<void> {
  const sys = openSys();
  using mapping = Mapping.open({
    sys,
    fd: start.memoryFd,
    length: MEMORY_LENGTH,
    writable: true,
    label: "demo memory",
  });
  const counters = new Counters(start.counters);
  const signals: number[] = [];
  const signal = (fd: number) => void signals.push(fd);
  const memory = memoryOver(mapping);
  const engines = build({ sys, memory, counters, start, signal });
  await ready();
  const { stopFd, rate, breakQueue } = start;
  await loop({ sys, engines, counters, signals, stopFd, rate, breakQueue });
}

function memoryOver(mapping: Mapping): WritableGuestMemory {
  const regions = MEMORY.map(({ name, gpa, size, offset }) => ({
    guest: guestAddress(gpa),
    length: BigInt(size),
    backing: mapping,
    offset,
    access: "rw" as const,
    name,
    user: null,
  }));
  return new WritableGuestMemory(new RegionTable(regions), "demo memory");
}

interface Loop extends Pick<Start, "stopFd" | "rate" | "breakQueue"> {
  readonly sys: Sys;
  /** Engine `n` is queue `n`'s. */
  readonly engines: readonly Engine[];
  readonly counters: Counters;
  /** eventfds to signal; emptied after every turn. */
  readonly signals: number[];
}

async function loop(options: Loop): Promise<void> {
  const { sys, engines, counters, signals, stopFd, rate, breakQueue } = options;
  const length = tickLength(rate);
  for (let next = performance.now();;) {
    const awake = engines.filter((engine) => engine.wakeFd !== null);
    const wanted = [stopFd, ...awake.map((engine) => engine.wakeFd as number)];
    const entries = wanted.map((fd) => ({ fd, events: POLLIN }));
    const wait = Math.max(0, Math.ceil(next - performance.now()));
    const [stop, ...revents] = await sys.poll(entries, wait);
    if (stop !== 0) return;
    const now = performance.now();
    awake.forEach((engine, n) => {
      if (revents[n] === 0) return;
      sys.drain(engine.wakeFd as number);
      engine.woken(now);
    });
    if (now < next) continue;
    const broken = counters.broken;
    engines.forEach((engine, n) => engine.tick(now, n === breakQueue ? broken : null));
    signals.splice(0).forEach((fd) => sys.signal(fd));
    next = Math.max(next + length, now);
  }
}
