/**
 * How much `watch` grows while it runs: its resident memory each minute on a demo guest, after the
 * first minute and at the end. Not one of the benches, since it takes an hour.
 *
 * usage: deno run -A tests/bench/watch_soak.ts [MINUTES] [WATCH OPTION…]
 */
import { commandLine, ROOT, startGuestmem } from "../support/cli.ts";
import { residentOf } from "../support/resident.ts";

const [minutes = "60", ...more] = Deno.args;
const options = more.length > 0 ? more : ["--json", "--interval", "100ms"];
const MINUTE = 60_000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Takes what a run prints, so that it never waits for us, and counts its lines. */
function drain(process: Deno.ChildProcess): { lines: number } {
  const count = { lines: 0 };
  (async () => {
    for await (const part of process.stdout) {
      for (const byte of part) if (byte === 10) count.lines++;
    }
  })();
  return count;
}

const demo = startGuestmem(["demo", "--for", `${Number(minutes) + 2}m`]);
const [target] = /proc:[0-9]+/.exec(await demo.line(/proc:[0-9]+/)) ?? [""];
const watch = spawnWatch(["watch", target, ...options]);
const count = drain(watch);
try {
  await pause(MINUTE);
  const first = residentOf(watch.pid).all;
  console.log(`watch ${options.join(" ")}: ${first} KiB after the first minute`);
  for (let minute = 2; minute <= Number(minutes); minute++) {
    await pause(MINUTE);
    const now = residentOf(watch.pid).all;
    const change = ((now / first - 1) * 100).toFixed(1);
    console.log(
      `minute ${minute}: ${now} KiB, ${change} % against the first; ${count.lines} lines`,
    );
  }
} finally {
  watch.kill("SIGINT");
  await watch.status;
  await demo.end("SIGINT");
}

function spawnWatch(words: string[]): Deno.ChildProcess {
  const [program, ...args] = commandLine(words);
  return new Deno.Command(program, { args, cwd: ROOT, stdin: "null", stdout: "piped" }).spawn();
}
