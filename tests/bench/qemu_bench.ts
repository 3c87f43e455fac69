/**
 * Against a live QEMU: one snapshot of a ring against the monitor's answers about it, and a copy of
 * guest memory against `cp` of the backing file and QEMU's own `pmemsave`. Each row is a ratio of
 * medians taken in turn; wants qemu-system-x86_64.
 */
import { openRing } from "../../lib/ring/ring.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { qemuMissing, startBootSector } from "../support/qemu.ts";

const GIB = 2 ** 30;
const ELEMENTS = 256;
const ROUNDS = 3;
const CLI = new URL("../../cli/main.ts", import.meta.url).pathname;

/** A monitor, one command at a time. */
class Monitor {
  #rest = "";
  private constructor(private readonly connection: Deno.Conn) {}

  static async connect(path: string): Promise<Monitor> {
    const monitor = new Monitor(await Deno.connect({ transport: "unix", path }));
    await monitor.#line();
    await monitor.execute("qmp_capabilities");
    return monitor;
  }

  async execute(execute: string, args: Record<string, unknown> = {}): Promise<unknown> {
    const text = JSON.stringify({ execute, arguments: args }) + "\n";
    await this.connection.write(new TextEncoder().encode(text));
    for (;;) {
      const answer = JSON.parse(await this.#line());
      if ("error" in answer) throw new Error(`${execute}: ${answer.error.desc}`);
      if ("return" in answer) return answer.return;
    }
  }

  async #line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const chunk = new Uint8Array(65536);
      const length = await this.connection.read(chunk);
      if (length === null) throw new Error("the monitor is gone");
      this.#rest += new TextDecoder().decode(chunk.subarray(0, length));
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return line;
  }

  [Symbol.dispose]() {
    this.connection.close();
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

async function timed(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

async function medianOf(run: () => unknown, rounds = ROUNDS): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < rounds; n++) times.push(await timed(run));
  return median(times);
}

function row(what: string, ours: number, peer: string, theirs: number): void {
  const ratio = theirs / ours;
  const text = ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2);
  console.log(
    `${what.padEnd(34)} ${ours.toFixed(3).padStart(10)} ms   ${peer.padEnd(34)} ${
      theirs.toFixed(1).padStart(9)
    } ms   ${text} times as fast`,
  );
}

/** A whole snapshot, and as many queue-element calls as the ring has entries. */
async function ringAgainstMonitor(): Promise<void> {
  await using guest = await startBootSector();
  await using attachment = await openTarget(`qemu:${guest.pid}`);
  const [device] = attachment.devices;
  const ring = openRing(attachment.memory, device.queues[0].ring!);
  for (let n = 0; n < 2000; n++) ring.snapshot({ chains: "recent", recentCount: ELEMENTS });
  using monitor = await Monitor.connect(guest.qmp);
  const list = await monitor.execute("x-query-virtio") as { path: string }[];
  const ours = await medianOf(() => {
    const snapshot = ring.snapshot();
    for (let n = 0; n < snapshot.chainCount; n++) snapshot.chain(n);
  }, 101);
  const all = await medianOf(() => {
    const snapshot = ring.snapshot({ chains: "recent", recentCount: ELEMENTS });
    for (let n = 0; n < snapshot.chainCount; n++) snapshot.chain(n);
  }, 101);
  const theirs = await medianOf(async () => {
    for (let index = 0; index < ELEMENTS; index++) {
      await monitor.execute("x-query-virtio-queue-element", {
        path: list[0].path,
        queue: 0,
        index,
      });
    }
  });
  row("snapshot of a 256-entry ring", ours, `${ELEMENTS} x-query-virtio-queue-element`, theirs);
  row(
    "the same, all 256 chains as objects",
    all,
    `${ELEMENTS} x-query-virtio-queue-element`,
    theirs,
  );
}

/** Path of the guest's RAM through the process that has it. */
function ramPath(pid: number): string {
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${name}`;
    if (Deno.readLinkSync(path).startsWith("/memfd:memory-backend-memfd")) return path;
  }
  throw new Error(`process ${pid} has no memfd`);
}

/** Makes `length` bytes of the guest's memory from `offset` on real. The boot sector uses none of it. */
async function populate(path: string, offset: number, length: number): Promise<void> {
  using file = await Deno.open(path, { write: true });
  const chunk = crypto.getRandomValues(new Uint8Array(65536));
  await file.seek(offset, Deno.SeekMode.Start);
  for (let done = 0; done < length; done += chunk.length) await file.write(chunk);
}

function run(command: string, args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** Most resident memory of a command in KiB: VmHWM, as it stood when last looked at. */
async function peak(args: string[]): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "null" }).spawn();
  let most = 0;
  let ended = false;
  child.status.then(() => ended = true);
  while (!ended) {
    const status = await Deno.readTextFile(`/proc/${child.pid}/status`).catch(() => "");
    most = Math.max(most, Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return most;
}

/** One command on a connection of its own. */
async function command(
  path: string,
  name: string,
  args: Record<string, unknown> = {},
): Promise<void> {
  using monitor = await Monitor.connect(path);
  await monitor.execute(name, args);
}

/** Times of one round in milliseconds, and 512-byte blocks of guest memory around our own dump. */
interface DumpRound {
  readonly mine: number;
  readonly cp: number;
  readonly pmemsave: number;
  readonly blocks: readonly [before: number, after: number];
}

/** `dump mem` of 1 GiB of a process. */
function dumpArguments(pid: number, output: string): string[] {
  const run = ["run", "--quiet", "--no-check", "-A", CLI];
  return [...run, "dump", "mem", `qemu:${pid}`, "0", "1G", "--format", "raw", "-o", output];
}

/**
 * One round on a guest of its own, pmemsave last: it touches every page, and makes sparse memory real.
 * The guest spins; stopped, it leaves the processors to what is compared.
 */
async function dumpRound(populated: number, folder: string): Promise<DumpRound> {
  await using guest = await startBootSector({ size: "1G" });
  const ram = ramPath(guest.pid);
  await populate(ram, 128 << 20, populated);
  await command(guest.qmp, "stop");
  const blocks = () => Deno.statSync(ram).blocks ?? 0;
  const before = blocks();
  const cp = await timed(() => run("cp", [ram, `${folder}/cp`]));
  const mine = await timed(() => run(Deno.execPath(), dumpArguments(guest.pid, `${folder}/ours`)));
  const after = blocks();
  const save = { val: 0, size: GIB, filename: `${folder}/pmemsave` };
  const pmemsave = await timed(() => command(guest.qmp, "pmemsave", save));
  for (const name of ["ours", "cp", "pmemsave"]) await Deno.remove(`${folder}/${name}`);
  return { mine, cp, pmemsave, blocks: [before, after] };
}

async function dumpAgainst(populated: number, folder: string): Promise<void> {
  const rounds: DumpRound[] = [];
  for (let n = 0; n < ROUNDS; n++) rounds.push(await dumpRound(populated, folder));
  const mine = median(rounds.map((round) => round.mine));
  const what = `dump mem, ${populated >> 20} MiB of 1 GiB real`;
  row(what, mine, "cp of the memfd", median(rounds.map((round) => round.cp)));
  row(what, mine, "pmemsave", median(rounds.map((round) => round.pmemsave)));
  const [before, after] = rounds[0].blocks;
  console.log(`  blocks of guest memory: ${before} before our dump, ${after} after`);
}

async function residentMemory(folder: string): Promise<void> {
  await using guest = await startBootSector({ size: "1G" });
  await populate(ramPath(guest.pid), 128 << 20, GIB - (128 << 20));
  const most = await peak(dumpArguments(guest.pid, `${folder}/ours`));
  const least = await peak(["run", "--quiet", "--no-check", "-A", CLI, "--version"]);
  console.log(
    `dump mem of 1 GiB adds ${((most - least) / 1024).toFixed(0)} MiB to the resident memory`,
  );
}

if (import.meta.main) {
  const missing = qemuMissing();
  if (missing !== null) throw new Error(missing);
  // In memory: a disk that is busy writing would be measured, not the copy.
  const folder = await Deno.makeTempDir({ dir: "/dev/shm" });
  try {
    await ringAgainstMonitor();
    await dumpAgainst(GIB - (128 << 20), folder);
    await dumpAgainst(64 << 20, folder);
    await residentMemory(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
