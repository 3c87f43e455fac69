/**
 * Runs every test of the project and closes with one line: `N passed, N failed, N skipped`.
 *
 * Unit and wire tests run with no permission but to read, which shows that the pure set needs none.
 * Live tests run one after the other: their peers want the processors for themselves. A live test
 * whose peer is missing says so and counts as skipped.
 *
 * usage: deno task test [GROUP…]
 */

import { stripAnsiCode } from "@std/fmt/colors";

/** A group of tests that run in one process. */
interface Group {
  readonly name: string;
  readonly paths: readonly string[];
  readonly args: readonly string[];
}

const GROUPS: readonly Group[] = [
  { name: "unit", paths: ["tests/unit", "tests/wire"], args: ["--parallel", "--allow-read"] },
  {
    name: "host",
    paths: ["tests/host", "tests/cli", "tests/docs", "tests/layers_test.ts"],
    args: ["-A"],
  },
  { name: "live", paths: ["tests/live"], args: ["-A"] },
];

/** What a group's summary says. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Files with a failed test. */
  files: readonly string[];
  /** What the run said of its failures, or its last words when it died of one. */
  errors: string;
}

/** Most characters of a run's output that are kept to count from and to say again. */
const KEPT = 65536;

/** Runs one group with its output passed through; a run that dies without a summary has failed. */
async function run({ name, paths, args }: Group): Promise<Counts> {
  console.log(`== ${name}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-prompt", "--quiet", ...args, ...paths],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let tail = "";
  const failures = new Failures();
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    await Deno.stdout.write(new TextEncoder().encode(text));
    failures.read(text);
    tail = stripAnsiCode(tail + text).slice(-KEPT);
  }
  const { success } = await child.status;
  const counts = { ...summary(tail), files: [...failures.files], errors: "" };
  if (!success && counts.failed === 0) counts.failed = 1;
  return counts.failed === 0 ? counts : { ...counts, errors: errors(tail) };
}

/**
 * Runs a group, and once more the files of it that failed: real peers under software emulation are
 * slow when the machine is busy, and a test that waits for one, or races one, may wait too short. What
 * fails twice has failed; what failed once stands in the output.
 */
async function runWithPeers(group: Group): Promise<Counts> {
  const first = await run(group);
  if (first.failed === 0 || first.files.length === 0) return first;
  console.log(`${first.failed} failed; once more: ${first.files.join(" ")}`);
  const second = await run({ ...group, name: `${group.name}, again`, paths: first.files });
  const { failed, errors } = second;
  return { ...first, passed: first.passed + Math.max(0, first.failed - failed), failed, errors };
}

/**
 * Collects the files with a failed test from a group's output. The place that a failure gives is of
 * the code that registered the test, which may be a helper of many files; a file's heading is its own.
 */
class Failures {
  readonly files = new Set<string>();
  #begun = "";
  #file = "";

  read(text: string): void {
    const lines = (this.#begun + text).split("\n");
    this.#begun = lines.pop() ?? "";
    for (const line of lines) this.#line(stripAnsiCode(line));
  }

  #line(line: string): void {
    const heading = /^running \d+ tests? from \.\/(tests\/\S+)|^\.\/(tests\/\S+) => /.exec(line);
    this.#file = heading?.[1] ?? heading?.[2] ?? this.#file;
    if (/\.\.\. FAILED \(/.test(line)) this.files.add(this.#file);
  }
}

/** Numbers of the last `… | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. */
function summary(tail: string): Pick<Counts, "passed" | "failed" | "skipped"> {
  const line = tail.trimEnd().split("\n").findLast((text) => / passed\b.*\bfailed/.test(text)) ??
    "";
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
}

/** The part of a run's output that tells of its failures; of a run without one, its end. */
function errors(tail: string): string {
  const at = tail.lastIndexOf("\n ERRORS ");
  return at >= 0 ? tail.slice(at) : tail.slice(-4096);
}

if (import.meta.main) {
  const wanted = Deno.args.length === 0
    ? GROUPS
    : GROUPS.filter(({ name }) => Deno.args.includes(name));
  const total = { passed: 0, failed: 0, skipped: 0 };
  const said: string[] = [];
  for (const group of wanted) {
    const { passed, failed, skipped, errors } = await runWithPeers(group);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    if (failed > 0) said.push(`== ${group.name}: ${failed} failed${errors}`);
  }
  // Where the output of the other groups does not hide them.
  for (const text of said) console.log(text);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  Deno.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
}
