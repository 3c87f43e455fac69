/**
 * Whether the data path is as fast with a tap as without: two pairs of real peers, one connected
 * directly and one through `guestmem tap`, so that a busy machine hits both alike. Each row is the
 * median of the ratios of a turn, by wall clock and by the CPU time of both peers.
 *
 * - QEMU and qemu-storage-daemon, requests of a boot sector that reads its disk for ever: both pairs
 *   run at the same time. (Stopped for a while, a guest is then busy with the ticks that it missed.)
 * - two of DPDK's testpmd, packets from one to the other: each polls a CPU of its own without rest, so
 *   the pairs run in turn, the other stopped by SIGSTOP.
 */
import { openRing } from "../../lib/ring/ring.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Running, startGuestmem } from "../support/cli.ts";
import { bootSector, qemuMissing, startBootSector } from "../support/qemu.ts";
import { startStorageDaemon, storageDaemonMissing } from "../support/storage_daemon.ts";
import { startBackEnd, startFrontEnd, testpmdMissing } from "../support/testpmd.ts";

const TURNS = 12;
const TURN_MS = 1000;

/** Work done so far, and what it took. */
interface Mark {
  readonly work: number;
  /** Milliseconds. */
  readonly time: number;
  /** Seconds of CPU. */
  readonly cpu: number;
}

/** A front-end and a back-end at work. */
interface Pair extends AsyncDisposable {
  readonly pids: readonly number[];
  /** How much work was done until about now. */
  mark(): Promise<Mark>;
}

/** Work per second, and per second of CPU. */
interface Rate {
  readonly wall: number;
  readonly cpu: number;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** utime and stime of all threads, in ticks of 10 ms: proc_pid_stat(5). */
function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1].split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) / 100;
  }, 0);
}

/** Lets a pair run for one turn. */
async function turn(pair: Pair): Promise<Rate> {
  pair.pids.forEach((pid) => Deno.kill(pid, "SIGCONT"));
  await sleep(100);
  const begin = await pair.mark();
  await sleep(TURN_MS);
  const end = await pair.mark();
  pair.pids.forEach((pid) => Deno.kill(pid, "SIGSTOP"));
  return rateOf(begin, end);
}

function rateOf(begin: Mark, end: Mark): Rate {
  const work = end.work - begin.work;
  return { wall: work / ((end.time - begin.time) / 1000), cpu: work / (end.cpu - begin.cpu) };
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * part)];
}

function ratios(direct: readonly number[], tapped: readonly number[]): string {
  const all = tapped.map((rate, i) => rate / direct[i]);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(all, part).toFixed(2));
  return `${middle} (half of all between ${low} and ${high})`;
}

/** The rates of both pairs in one turn. */
interface Rates {
  readonly direct: Rate;
  readonly tapped: Rate;
}

/** One after the other. Who begins changes, so that what warms up or tires favours neither. */
async function inTurn(direct: Pair, tapped: Pair, directFirst: boolean): Promise<Rates> {
  if (!directFirst) return { tapped: await turn(tapped), direct: await turn(direct) };
  return { direct: await turn(direct), tapped: await turn(tapped) };
}

/** Both at the same time. */
async function together(direct: Pair, tapped: Pair): Promise<Rates> {
  const begin = [await direct.mark(), await tapped.mark()];
  await sleep(2 * TURN_MS);
  const end = [await direct.mark(), await tapped.mark()];
  return { direct: rateOf(begin[0], end[0]), tapped: rateOf(begin[1], end[1]) };
}

/** Starts both pairs, and compares them turn by turn. */
async function compare(
  name: string,
  unit: string,
  start: (tap: boolean) => Promise<Pair>,
  simultaneous: boolean,
): Promise<void> {
  await using direct = await start(false);
  if (!simultaneous) direct.pids.forEach((pid) => Deno.kill(pid, "SIGSTOP"));
  await using tapped = await start(true);
  const rates: Rates[] = [];
  for (let n = 0; n < TURNS; n++) {
    const one = simultaneous
      ? await together(direct, tapped)
      : await inTurn(direct, tapped, n % 2 === 0);
    rates.push(one);
  }
  const of = (side: "direct" | "tapped", what: keyof Rate) => rates.map((rate) => rate[side][what]);
  const median = (side: "direct" | "tapped") => Math.round(quantile(of(side, "wall"), 0.5));
  console.log(`${name}: ${median("direct")} ${unit} directly, ${median("tapped")} tapped`);
  console.log(
    `  tapped / direct by wall clock ${ratios(of("direct", "wall"), of("tapped", "wall"))}`,
  );
  console.log(
    `  tapped / direct by CPU time   ${ratios(of("direct", "cpu"), of("tapped", "cpu"))}`,
  );
}

/** A tap in a process of its own, as an operator starts it. */
async function startTap(
  folder: string,
  connect: string,
): Promise<{ socket: string; tap: Running }> {
  const socket = `${folder}/tap.sock`;
  const tap = startGuestmem(["tap", socket, connect]);
  await tap.line(/^tapping/);
  return { socket, tap };
}

async function temporary(undo: AsyncDisposableStack): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "guestmem-bench-" });
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  return folder;
}

/** A guest that reads one sector after the other from qemu-storage-daemon. */
async function disk(tap: boolean): Promise<Pair> {
  await using undo = new AsyncDisposableStack();
  const folder = await temporary(undo);
  await Deno.writeFile(`${folder}/disk.img`, bootSector());
  const daemon = undo.use(await startStorageDaemon(folder, `${folder}/disk.img`));
  const path = tap ? await tappedSocket(undo, folder, daemon.socket) : daemon.socket;
  const device = "vhost-user-blk-pci,chardev=vu0,num-queues=1";
  const guest = undo.use(
    await startBootSector({
      disk: ["-chardev", `socket,id=vu0,path=${path}`, "-device", device],
    }),
  );
  const attachment = undo.use(await openTarget(`qemu:${guest.pid}`));
  const config = attachment.devices.flatMap(({ queues }) => queues)[0].ring;
  if (config === null) throw new Error(attachment.devices[0].note);
  const ring = openRing(attachment.memory, config);
  const count = counter(() => ring.indices()?.used.index ?? 0);
  undo.use(count);
  const pids = [guest.pid, daemon.pid];
  const mark = () =>
    Promise.resolve({ work: count.total(), time: performance.now(), cpu: cpuSeconds(pids) });
  const resources = undo.move();
  return { pids, mark, [Symbol.asyncDispose]: () => ended(pids, resources) };
}

/** A free-running index of 16 bits, unwrapped. */
function counter(read: () => number): Disposable & { total(): number } {
  let [last, sum] = [read(), 0];
  const look = () => {
    const now = read();
    sum += (now - last) & 0xffff;
    last = now;
    return sum;
  };
  const timer = setInterval(look, 20);
  return { total: look, [Symbol.dispose]: () => clearInterval(timer) };
}

async function tappedSocket(
  undo: AsyncDisposableStack,
  folder: string,
  connect: string,
): Promise<string> {
  const { socket, tap } = await startTap(folder, connect);
  undo.defer(async () => void await tap.end("SIGINT"));
  return socket;
}

/** Stopped processes do not end by themselves. */
async function ended(pids: readonly number[], resources: AsyncDisposableStack): Promise<void> {
  pids.forEach((pid) => Deno.kill(pid, "SIGCONT"));
  await resources.disposeAsync();
}

/** Packets from one testpmd to the other. */
async function packets(tap: boolean): Promise<Pair> {
  await using undo = new AsyncDisposableStack();
  const folder = await temporary(undo);
  const connect = `${folder}/back.sock`;
  const backEnd = undo.use(startBackEnd(connect, { forward: "rxonly" }));
  while (!(await Deno.stat(connect).then(() => true, () => false))) await sleep(20);
  const path = tap ? await tappedSocket(undo, folder, connect) : connect;
  const frontEnd = undo.use(startFrontEnd(path, { forward: "txonly", txFirst: false }));
  const pids = [frontEnd.pid, backEnd.pid];
  const received = () => [...backEnd.output.matchAll(/RX-packets:\s+([0-9]+)/g)];
  /** testpmd tells its counters once a second: the next time. */
  const mark = async () => {
    const seen = received().length;
    while (received().length === seen) await sleep(1);
    const work = Number(received().at(-1)?.[1]);
    return { work, time: performance.now(), cpu: cpuSeconds(pids) };
  };
  for (let work = 0; work < 1000;) work = (await mark()).work;
  const resources = undo.move();
  return { pids, mark, [Symbol.asyncDispose]: () => ended(pids, resources) };
}

const noDisk = qemuMissing() ?? storageDaemonMissing();
if (noDisk === null) await compare("QEMU, qemu-storage-daemon", "requests/s", disk, true);
else console.log(`left out: ${noDisk}`);
const noPackets = testpmdMissing();
if (noPackets === null) await compare("testpmd, testpmd", "packets/s", packets, false);
else console.log(`left out: ${noPackets}`);
