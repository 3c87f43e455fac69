/**
 * How much `watch` grows while it runs: its resident memory each minute on a demo guest, after the
 * first minute and at the end. Not one of the benches, since it takes an hour.
 *
 * usage: deno run -A tests/bench/watch_soak.ts [MINUTES] [screen | WATCH OPTION…]
 */
import { commandLine, ROOT, startGuestmem } from "../support/cli.ts";
import { startOnTerminal } from "../support/on_terminal.ts";
import { residentOf } from "../support/resident.ts";

const [minutes = "60", ...more] = Deno.args;
const options = more.length > 0 ? more : ["--json", "--interval", "100ms"];
const MINUTE = 60_000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A watch that runs. */
interface Watch {
  readonly pid: number;
  /** What it has printed so far, in words. */
  printed(): string;
  quit(): Promise<void>;
}

const demo = startGuestmem(["demo", "--for", `${Number(minutes) + 2}m`]);
const [target] = /proc:[0-9]+/.exec(await demo.line(/proc:[0-9]+/)) ?? [""];
const watch = await (options[0] === "screen" ? onScreen(target) : inLines(target));
try {
  await pause(MINUTE);
  const first = residentOf(watch.pid).all;
  console.log(`watch ${options.join(" ")}: ${first} KiB after the first minute`);
  for (let minute = 2; minute <= Number(minutes); minute++) {
    await pause(MINUTE);
    const now = residentOf(watch.pid).all;
    const change = ((now / first - 1) * 100).toFixed(1);
    console.log(`minute ${minute}: ${now} KiB, ${change} % against the first${watch.printed()}`);
  }
} finally {
  await watch.quit();
  await demo.end("SIGINT");
}

async function onScreen(target: string): Promise<Watch> {
  const watch = await startOnTerminal(["watch", target]);
  return { ...watch, printed: () => "" };
}

/** Takes what it prints, so that it never waits for us, and counts the lines. */
function inLines(target: string): Watch {
  const [program, ...args] = commandLine(["watch", target, ...options]);
  const watch = new Deno.Command(program, { args, cwd: ROOT, stdin: "null", stdout: "piped" })
    .spawn();
  let lines = 0;
  (async () => {
    for await (const part of watch.stdout) for (const byte of part) if (byte === 10) lines++;
  })();
  return {
    pid: watch.pid,
    printed: () => `; ${lines} lines`,
    async quit() {
      watch.kill("SIGINT");
      await watch.status;
    },
  };
}
