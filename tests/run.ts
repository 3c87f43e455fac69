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
  { name: "host", paths: ["tests/host", "tests/cli", "tests/layers_test.ts"], args: ["-A"] },
  { name: "live", paths: ["tests/live"], args: ["-A"] },
];

/** What a group's summary says. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

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
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    await Deno.stdout.write(new TextEncoder().encode(text));
    tail = (tail + text).slice(-4096);
  }
  tail = stripAnsiCode(tail);
  const { success } = await child.status;
  const counts = summary(tail);
  if (!success && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Numbers of the last `… | 12 passed (3 steps) | 0 failed | 1 ignored (2s)`. */
function summary(tail: string): Counts {
  const line = tail.trimEnd().split("\n").findLast((text) => / passed\b.*\bfailed/.test(text)) ??
    "";
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
  return { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
}

if (import.meta.main) {
  const wanted = Deno.args.length === 0
    ? GROUPS
    : GROUPS.filter(({ name }) => Deno.args.includes(name));
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const group of wanted) {
    const { passed, failed, skipped } = await run(group);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  Deno.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
}
