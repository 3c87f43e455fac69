/**
 * What `watch` costs, from 10 rings to 10,000, ten reports a second, one ring in ten moving: share of
 * one processor and resident memory of the whole command, on a terminal of 80 by 24 and as JSON. Then
 * how often one ring can be read without a pause.
 *
 * The rings are those of another process, in a sealed memfd (`tests/support/many_rings.ts`). Shares are
 * processor time over time that passed, so that a busy machine does not change them much; it makes
 * reports late, which their number tells.
 */
import { commandLine, guestmem, ROOT } from "../support/cli.ts";
import { startOnTerminal } from "../support/on_terminal.ts";
import { processorTime, residentOf } from "../support/resident.ts";

const COUNTS = [10, 100, 1000, 10_000];
const INTERVAL = "100ms";
/** Milliseconds until what is only done once is done, and then measured. */
const WARM = 6000;
const MEASURED = 10_000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

interface Rings extends AsyncDisposable {
  /** Words that name them. */
  readonly target: readonly string[];
}

async function startRings(count: number): Promise<Rings> {
  const layout = await Deno.makeTempFile({ suffix: ".json" });
  const script = new URL("../support/many_rings.ts", import.meta.url).pathname;
  const moving = Math.max(1, count / 10);
  const args = ["run", "--quiet", "-A", script, `${count}`, `${moving}`, layout];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const { value } = await child.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  return {
    target: [(value ?? "").trim(), "--layout", layout],
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
      await Deno.remove(layout);
    },
  };
}

/** Share of one processor, and memory, of a watch that runs already. */
async function measure(pid: number): Promise<string> {
  await pause(WARM);
  const [begin, used] = [performance.now(), processorTime(pid)];
  await pause(MEASURED);
  const seconds = (performance.now() - begin) / 1000;
  const share = (processorTime(pid) - used) / seconds * 100;
  const { all, own } = residentOf(pid);
  const mib = (kib: number) => (kib / 1024).toFixed(0).padStart(4);
  return `${share.toFixed(1).padStart(5)} %, ${mib(all)} MiB resident, ${mib(own)} of its own`;
}

/** As a stream of JSON that nobody keeps; with the number of reports that came. */
async function asJson({ target }: Rings, count: number): Promise<string> {
  const [program, ...args] = commandLine(["watch", ...target, "--interval", INTERVAL, "--json"]);
  const child = new Deno.Command(program, { args, cwd: ROOT, stdout: "piped" }).spawn();
  let lines = 0;
  let bytes = 0;
  const drained = (async () => {
    for await (const part of child.stdout) {
      bytes += part.length;
      for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, at + 1)) lines++;
    }
  })();
  const begin = performance.now();
  const text = await measure(child.pid);
  const seconds = (performance.now() - begin) / 1000;
  const rate = `${(lines / count / seconds).toFixed(1)} reports/s`;
  child.kill("SIGINT");
  await Promise.all([child.status, drained]);
  return `${text}; ${rate}, ${(bytes / seconds / 1e6).toFixed(1)} MB/s`;
}

/** The full-screen view, on a terminal of its own. */
async function onScreen({ target }: Rings): Promise<string> {
  const watch = await startOnTerminal(["watch", ...target, "--interval", INTERVAL]);
  const text = await measure(watch.pid);
  await watch.quit();
  return text;
}

if (import.meta.main) {
  const wanted = Deno.args.length > 0 ? Deno.args.map(Number) : COUNTS;
  for (const count of wanted) {
    await using rings = await startRings(count);
    console.log(`${count} rings, screen: ${await onScreen(rings)}`);
    console.log(`${count} rings, JSON:   ${await asJson(rings, count)}`);
  }
  await using one = await startRings(1);
  const { err } = await guestmem(["watch", ...one.target, "--fast", "--for", "5s", "--json"]);
  console.log(`without a pause: ${err.trim().replace("guestmem: ", "")}`);
}
