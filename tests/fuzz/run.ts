/**
 * Fuzzes the parts that read what strangers wrote, for minutes: one million rings and a share of
 * everything else. Every ring is read by the walker and by the oracle, which share no code, and they
 * must agree on every chain and finding.
 *
 * usage: deno task fuzz [--count RINGS] [--seed FIRST] [--target NAME] [--workers N] [--save]
 *
 * A failing seed is printed. `--save` writes failing rings to tests/fuzz/fixtures, where a test
 * reads them again and again: a seed alone means another ring as soon as the generator changes.
 */
import { fixtureText } from "./ring_fixture.ts";
import { fixtureOf } from "./ring_fuzz.ts";
import { type Failure, type Job, SHARE, type TargetName, TARGETS } from "./targets.ts";

/** Seeds per job: some hundred milliseconds. */
const STEP = 2000;

interface Options {
  readonly count: number;
  readonly seed: number;
  readonly target: TargetName | null;
  readonly workers: number;
  readonly save: boolean;
}

function usage(text: string): never {
  console.error(`${text}; usage: [--count N] [--seed N] [--target NAME] [--workers N] [--save]`);
  Deno.exit(2);
}

function parseOptions(args: readonly string[]): Options {
  const given = new Map<string, string>();
  for (let n = 0; n < args.length; n++) {
    const flag = args[n] === "--save";
    given.set(args[n], flag ? "" : args[++n] ?? usage(`${args[n - 1]} wants a value`));
  }
  const number = (name: string, otherwise: number) => {
    const value = Number(given.get(name) ?? otherwise);
    given.delete(name);
    return Number.isSafeInteger(value) && value >= 0 ? value : usage(`${name} is no number`);
  };
  const target = given.get("--target") ?? null;
  given.delete("--target");
  if (target !== null && !(target in TARGETS)) usage(`targets: ${Object.keys(TARGETS).join(", ")}`);
  const save = given.delete("--save");
  const options = {
    count: number("--count", 1_000_000),
    seed: number("--seed", Math.floor(Date.now() / 1000) * 1_000_000),
    target: target as TargetName | null,
    workers: Math.max(1, number("--workers", Math.min(2, navigator.hardwareConcurrency))),
    save,
  };
  if (given.size > 0) usage(`unknown option ${[...given.keys()][0]}`);
  return options;
}

function* jobsOf(target: TargetName, { seed, count }: Options): Generator<Job> {
  for (let done = 0; done < count; done += STEP) {
    yield { target, from: seed + done, count: Math.min(STEP, count - done) };
  }
}

/** Hands out jobs to workers until there are none left. Gives all failures. */
async function runAll(jobs: Iterator<Job>, count: number, progress: (done: number) => void) {
  const failures: Failure[] = [];
  let done = 0;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
      const end = () => (worker.terminate(), resolve());
      const next = () => {
        const { value, done: none } = jobs.next();
        if (none || failures.length >= 100) end();
        else worker.postMessage(value);
      };
      worker.onerror = (event) => (worker.terminate(), reject(new Error(event.message)));
      worker.onmessage = ({ data }: MessageEvent<{ job: Job; failures: Failure[] }>) => {
        failures.push(...data.failures);
        progress(done += data.job.count);
        next();
      };
      next();
    });
  await Promise.all(Array.from({ length: count }, one));
  return failures;
}

async function fuzz(target: TargetName, options: Options): Promise<Failure[]> {
  const count = Math.ceil(options.count * (options.target === null ? SHARE[target] : 1));
  const started = performance.now();
  const terminal = Deno.stderr.isTerminal();
  const failures = await runAll(jobsOf(target, { ...options, count }), options.workers, (done) => {
    if (terminal) Deno.stderr.writeSync(new TextEncoder().encode(`\r${target} ${done}\x1b[K\r`));
  });
  const seconds = (performance.now() - started) / 1000;
  const speed = Math.round(count / seconds).toLocaleString("en");
  const [first, last] = [options.seed, options.seed + count - 1];
  console.log(
    `${target.padEnd(9)} ${count.toLocaleString("en").padStart(9)} in ${seconds.toFixed(1)} s ` +
      `(${speed}/s), seeds ${first} to ${last}: ${failures.length} failures`,
  );
  for (const { seed, message } of failures) {
    console.log(`FAILED: --target ${target} --seed ${seed} --count 1\n${message}\n`);
  }
  return failures;
}

async function save({ target, seed, message }: Failure): Promise<void> {
  if (target !== "rings") return;
  const path = new URL(`./fixtures/seed_${seed}.json`, import.meta.url);
  await Deno.writeTextFile(path, fixtureText(fixtureOf(seed, message.split("\n")[0].slice(0, 80))));
  console.log(`wrote ${path.pathname}`);
}

if (import.meta.main) {
  const options = parseOptions(Deno.args);
  const names = Object.keys(TARGETS) as TargetName[];
  const failures: Failure[] = [];
  for (const name of names.filter((name) => [name, null].includes(options.target))) {
    failures.push(...await fuzz(name, options));
  }
  if (options.save) { for (const failure of failures.slice(0, 10)) await save(failure); }
  Deno.exit(failures.length === 0 ? 0 : 1);
}
