/**
 * A guest of our own: a driver's and a device's side that keep real rings moving in shared memory,
 * so that everything can be tried with no hypervisor.
 *
 * The process publishes its layout, so `proc:PID` attaches from any other terminal; nothing is left
 * behind when it ends.
 *
 * @module
 */
import { Fd } from "../../ffi/fd.ts";
import { sealedMemfd } from "../../ffi/memfd.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";
import { type Publication, publication } from "../source/published.ts";
import type { BreakName } from "./breaks.ts";
import { Counters, type QueueCounters } from "./counters.ts";
import { demoLayout, DEVICES, MEMORY_LENGTH, type QueuePlan, QUEUES } from "./plan.ts";
import { EVENTFD_FLAGS, type Start } from "./side.ts";
import { DemoWorker } from "./worker.ts";

export { BREAK_NAMES, type BreakName, BREAKS } from "./breaks.ts";
export type { QueueCounters } from "./counters.ts";

/** How the demo is to run. */
export interface DemoOptions {
  /** Requests per second and queue. Default 200. */
  readonly rate?: number;
  /** What is to break; default nothing. */
  readonly break?: BreakName | null;
  /** Seconds until it does. Default 5. */
  readonly breakAfter?: number;
  /** Which queue it hits, as `DEVICE:INDEX`: a disk's or a transmit queue. Default `blk0:0`. */
  readonly breakQueue?: string;
  /** Name of the guest, as `find` shows it. Default `demo`. */
  readonly name?: string;
  /** Default: the real system calls. The workers use the real ones in any case. */
  readonly sys?: Sys;
}

/** Counters of one queue. */
export interface QueueStats extends QueueCounters {
  readonly device: string;
  readonly index: number;
  /** Entries of the ring. */
  readonly size: number;
}

/** A running demo. Disposing it ends the workers and gives everything back. */
export interface Demo extends AsyncDisposable {
  readonly pid: number;
  readonly name: string;
  /** `proc:PID`, or with a name of its own `proc:PID.NAME`, where others publish in this process. */
  readonly target: string;
  /** The layout as published last: JSON of `lib/source/layout.ts`. */
  readonly layout: Readonly<Record<string, unknown>>;
  /** The break in force; null before. */
  readonly broken: BreakName | null;
  /** Counters of all queues since the start. */
  stats(): QueueStats[];
  /** Rejects when a worker failed; resolves when the demo was disposed. */
  readonly finished: Promise<void>;
}

/**
 * Starts the demo. Throws RangeError for a queue that there is not or a rate that is none,
 * SyscallError where the machine gives no memfd or eventfd; nothing stays open then.
 */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const { rate = 200, name = "demo", sys = openSys() } = options;
  if (!(rate > 0 && rate <= 1e6)) throw new RangeError(`rate ${rate} is not in (0, 1000000]`);
  const queue = queueNamed(options.breakQueue ?? "blk0:0");
  await using undo = new AsyncDisposableStack();
  const { memory, stop, fds } = openParts(sys, name, undo);
  const counters = Counters.make(QUEUES.length);
  const start: Start = {
    memoryFd: memory.number,
    stopFd: stop.number,
    fds: fds.map(({ kick, call }) => ({ kick: kick.number, call: call.number })),
    counters: counters.shared,
    rate,
    breakQueue: queue.number,
  };
  const { ended } = await startWorkers(start, () => sys.signal(stop.number), undo);
  const layout = new DemoLayout(undo.use(publication(sys)), name, start);
  if (options.break) {
    armBreak(options.break, options.breakAfter ?? 5, { counters, layout, queue }, undo);
  }
  return demoOf(sys, name, { counters, layout, ended }, undo.move());
}

function demoOf(
  sys: Sys,
  name: string,
  { counters, layout, ended }: { counters: Counters; layout: DemoLayout; ended: Promise<void> },
  resources: AsyncDisposableStack,
): Demo {
  return {
    pid: sys.pid,
    name,
    target: name === "demo" ? `proc:${sys.pid}` : `proc:${sys.pid}.${name}`,
    get layout() {
      return layout.current;
    },
    get broken() {
      return counters.broken;
    },
    stats: () => QUEUES.map((plan) => statsOf(plan, counters)),
    finished: ended,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** What is published. */
class DemoLayout {
  #current: Record<string, unknown> = {};

  constructor(readonly publication: Publication, readonly name: string, readonly start: Start) {
    this.publish(null);
  }

  get current(): Readonly<Record<string, unknown>> {
    return this.#current;
  }

  /** Publishes it anew; `broken` is the device that needs a reset. */
  publish(broken: string | null): void {
    this.#current = demoLayout(this.name, this.start.memoryFd, this.start.fds, broken);
    this.publication.replace(this.#current);
  }
}

interface Parts {
  readonly memory: Fd;
  readonly stop: Fd;
  readonly fds: readonly { readonly kick: Fd; readonly call: Fd }[];
}

function openParts(sys: Sys, name: string, resources: AsyncDisposableStack): Parts {
  const eventfd = () => resources.use(new Fd(sys, sys.eventfd(0, EVENTFD_FLAGS)));
  return {
    memory: resources.use(sealedMemfd(sys, `guestmem-${name}`, MEMORY_LENGTH)),
    stop: eventfd(),
    fds: QUEUES.map(() => ({ kick: eventfd(), call: eventfd() })),
  };
}

/**
 * The driver's side first: it initialises the rings that the device's side opens. Both run when both
 * are there.
 */
async function startWorkers(
  start: Start,
  stop: () => void,
  resources: AsyncDisposableStack,
): Promise<{ readonly ended: Promise<void> }> {
  const driver = resources.use(
    new DemoWorker(new URL("./driver_worker.ts", import.meta.url), start, stop),
  );
  await driver.ready;
  const device = resources.use(
    new DemoWorker(new URL("./device_worker.ts", import.meta.url), start, stop),
  );
  await device.ready;
  device.go();
  driver.go();
  const ended = Promise.all([driver.ended, device.ended]).then(() => {});
  ended.catch(() => {});
  return { ended };
}

/** A device that needs a reset says so in its status, and that is part of the layout. */
function armBreak(
  name: BreakName,
  seconds: number,
  { counters, layout, queue }: { counters: Counters; layout: DemoLayout; queue: QueuePlan },
  resources: AsyncDisposableStack,
): void {
  const timer = setTimeout(() => {
    counters.broken = name;
    if (name === "not-ready") layout.publish(queue.device);
  }, seconds * 1000);
  resources.defer(() => clearTimeout(timer));
}

function queueNamed(text: string): QueuePlan {
  const found = QUEUES.find(({ device, index }) => `${device}:${index}` === text);
  if (found !== undefined && (found.role === "blk" || found.role === "tx")) return found;
  const names = DEVICES.flatMap(({ queues }) => queues)
    .filter(({ role }) => role === "blk" || role === "tx")
    .map(({ device, index }) => `${device}:${index}`);
  throw new RangeError(`no queue "${text}" to break (there are ${names.join(", ")})`);
}

function statsOf({ number, device, index, config }: QueuePlan, counters: Counters): QueueStats {
  return { device, index, size: config.size, ...counters.queue(number) };
}
