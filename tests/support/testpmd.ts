/**
 * DPDK's testpmd as a real vhost-user peer: net_vhost is a back-end, net_virtio_user a front-end that
 * drives its rings from user space. Memory is a memfd (`--no-huge`). Each polls a CPU without rest, so
 * keep runs to seconds.
 *
 * @module
 */
import { onPath } from "./linux_guest.ts";

/** Why none can be started here, or null. */
export function testpmdMissing(): string | null {
  return onPath("dpdk-testpmd") ? null : "no dpdk-testpmd: apt-get install dpdk dpdk-dev";
}

/** What to start. */
export interface TestpmdOptions {
  /** CPU that it polls on. */
  readonly cpu: number;
  /** Arguments of its device: `net_vhost0,iface=…`. */
  readonly device: string;
  /** `io` (default), `txonly`, `rxonly`, `flowgen`. */
  readonly forward?: string;
  /** Queues of the port. Default 1. */
  readonly queues?: number;
  /** Sends a first burst, so that `io` has something to forward. */
  readonly txFirst?: boolean;
}

/** A running testpmd. Disposing kills it. */
export interface Testpmd extends AsyncDisposable {
  readonly pid: number;
  /** What it printed so far. */
  readonly output: string;
  /** Packets per second of each statistics period so far, received and sent together. */
  rates(): number[];
  /** Ends it as an operator does, by Ctrl-C, and waits: it stops its rings and closes its port. */
  stop(): Promise<void>;
  /** kill -9, and waits. */
  kill(): Promise<void>;
}

let started = 0;

/** Starts one. */
export function startTestpmd(options: TestpmdOptions): Testpmd {
  const { cpu, device, forward = "io", queues = 1, txFirst = false } = options;
  const prefix = `gm${Deno.pid}x${started++}`;
  const child = new Deno.Command("setpriv", {
    args: [
      ...["--pdeathsig", "KILL", "dpdk-testpmd"],
      ...["--lcores", `0@${cpu},1@${cpu}`, "--no-pci", "--no-telemetry", "--file-prefix", prefix],
      ...["-m", "128", "--no-huge", "--vdev", device, "--"],
      ...["--nb-cores=1", `--forward-mode=${forward}`, "--stats-period", "1"],
      ...["--total-num-mbufs=8192", `--rxq=${queues}`, `--txq=${queues}`],
      ...(txFirst ? ["--tx-first"] : []),
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) output += part;
  };
  const reading = Promise.all([collect(child.stdout), collect(child.stderr)]);
  let ended = false;
  const end = async () => {
    if (ended) return;
    ended = true;
    await child.stdin.close().catch(() => {});
    await child.status;
    await reading;
  };
  const kill = async () => {
    if (!ended) child.kill("SIGKILL");
    await end();
  };
  return {
    pid: child.pid,
    get output() {
      return output;
    },
    rates: () => [...output.matchAll(/[RT]x-pps:\s+([0-9]+)/g)].map((match) => Number(match[1])),
    async stop() {
      child.kill("SIGINT");
      const timer = setTimeout(() => !ended && child.kill("SIGKILL"), 8000);
      await child.status;
      clearTimeout(timer);
      await end();
    },
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

/** A back-end that listens at a path, or with `client` connects to it again and again. */
export function startBackEnd(
  path: string,
  options: Partial<TestpmdOptions> & { readonly client?: boolean } = {},
): Testpmd {
  const { client = false, queues = 1, ...rest } = options;
  const device = `net_vhost0,iface=${path},queues=${queues},client=${client ? 1 : 0}`;
  return startTestpmd({ cpu: 0, device, queues, ...rest });
}

/** A front-end that connects to a path, or with `server` listens there. */
export function startFrontEnd(
  path: string,
  options: Partial<TestpmdOptions> & {
    readonly server?: boolean;
    /** Device arguments such as `packed_vq=1`. */
    readonly ring?: string;
  } = {},
): Testpmd {
  const { server = false, queues = 1, ring = "packed_vq=0", ...rest } = options;
  const role = server ? ",server=1" : "";
  const device = `net_virtio_user0,path=${path},queues=${queues},${ring}${role}`;
  return startTestpmd({ cpu: 1, device, queues, txFirst: true, ...rest });
}
