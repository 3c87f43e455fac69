/**
 * Whether the data path is as fast with a tap as without: two guests read a disk of qemu-storage-daemon
 * for ever, one connected directly and one through `guestmem tap`, at the same time, so that a busy
 * machine hits both alike. Each row is the median of the ratios of a turn, by wall clock and by the CPU
 * time of both peers. (DPDK's testpmd tells nothing here: two pairs that are started alike differ by
 * twice and more, tap or none.)
 */
import { openRing } from "../../lib/ring/ring.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Running, startGuestmem } from "../support/cli.ts";
import { bootSector, qemuMissing, startBootSector } from "../support/qemu.ts";
import { startStorageDaemon, storageDaemonMissing } from "../support/storage_daemon.ts";

const TURNS = 12;
const TURN_MS = 2000;

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

/** Both at the same time. */
async function together(direct: Pair, tapped: Pair): Promise<Rates> {
  const begin = [await direct.mark(), await tapped.mark()];
  await sleep(TURN_MS);
  const end = [await direct.mark(), await tapped.mark()];
  return { direct: rateOf(begin[0], end[0]), tapped: rateOf(begin[1], end[1]) };
}

/** Starts both pairs, and compares them turn by turn. */
async function compare(
  name: string,
  unit: string,
  start: (tap: boolean) => Promise<Pair>,
): Promise<void> {
  await using direct = await start(false);
  await using tapped = await start(true);
  const rates: Rates[] = [];
  for (let n = 0; n < TURNS; n++) rates.push(await together(direct, tapped));
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

const noDisk = qemuMissing() ?? storageDaemonMissing();
if (noDisk === null) await compare("QEMU, qemu-storage-daemon", "requests/s", disk);
else console.log(`left out: ${noDisk}`);
