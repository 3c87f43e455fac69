/** `watch` in scripts: it waits for something, says by its exit code whether it came, and why not. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { guestmem, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { startDemoCommand } from "../support/demo_command.ts";
import { writeImage } from "../support/images.ts";

Deno.test("--until ends when it holds, with 0 and the queue", async () => {
  await using demo = await startDemoCommand("--rate", "500");
  const queue = `${demo.target}/blk0:0`;
  const moving = await guestmem(["watch", queue, "--until", "moving", "--for", "30s", "--plain"]);
  assertEquals(moving.code, 0, moving.err);
  assertStringIncludes(moving.err, `guestmem: ${queue}: moving, after `);
  assert(moving.out.trimEnd().endsWith("moving"), moving.out);
  const short = ["--interval", "100ms", "--for", "30s", "--json"];
  const rate = await guestmem(["watch", demo.target, "--until", "all samples>0", ...short]);
  assertEquals(rate.code, 0, rate.err);
});

Deno.test("--for that ends first is 1, and says what never came", async () => {
  await using demo = await startDemoCommand();
  const words = ["watch", `${demo.target}/blk0`, "--interval", "100ms", "--plain"];
  const late = await guestmem([...words, "--until", "oldest>1h", "--for", "500ms"]);
  assertEquals(late.code, 1);
  assertStringIncludes(late.err, "guestmem: never oldest>1h, in ");
  const few = await guestmem([...words, "--until", "not-ready", "--count", "2"]);
  assertEquals([few.code, few.out.trimEnd().split("\n").length], [1, 2]);
});

Deno.test("a stuck queue is waited for, and that it moves again after a kick", async () => {
  await using demo = await startDemoCommand("--break", "lose-kick", "--break-after", "0s");
  const queue = `${demo.target}/blk0:0`;
  const more = ["--interval", "100ms", "--for", "60s", "--plain"];
  const stuck = await guestmem(["watch", queue, "--until", "lost-kick,oldest>1s", ...more]);
  assertEquals(stuck.code, 0, stuck.err);
  const again = startGuestmem(["watch", queue, "--until", "moving", ...more]);
  await again.line(/lost kick$/);
  assertEquals((await guestmem(["kick", queue])).code, 0);
  const { code, out } = await again.end();
  assertEquals(code, 0);
  assert(out.trimEnd().endsWith("moving"));
});

Deno.test("what can never come is a usage error that says why", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_chain3", folder.path);
  const cases: [string, string][] = [
    ["movign", "Did you mean moving?"],
    ["inflight>3", "Did you mean inFlight?"],
    ["moving,idle", "one verdict at a time"],
    ["inFlight>-1", "nothing in a report is negative"],
    ["inFlight>256", "inFlight is at most 256"],
  ];
  for (const [until, why] of cases) {
    const { code, out, err } = await guestmem([
      ...["watch", `file:${raw}`, "--layout", layout, "--interval", "20ms"],
      ...["--until", until, "--for", "100ms", "--plain"],
    ]);
    assertEquals(code, 2, until);
    assertStringIncludes(err, why);
    assert(!out.includes("met"), out);
  }
});

Deno.test("a guest that ends is noticed at the next line, which tells what was seen last", async () => {
  await using demo = await startDemoCommand();
  const watch = startGuestmem(["watch", `${demo.target}/blk0`, "--interval", "50ms", "--json"]);
  await watch.line(/"up":true/);
  await demo.running.end("SIGKILL");
  const killed = performance.now();
  const { code, out, err } = await watch.end();
  assertEquals(code, 4, err);
  assert(performance.now() - killed < 4000, "it was not noticed before the devices are read again");
  const rows = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  const [before, last] = rows.slice(-2);
  assertEquals([last.guest.up, last.verdict, last.usedRate, last.samples], [false, null, null, 0]);
  assertStringIncludes(last.guest.note, "has ended");
  assertEquals([last.used, last.available], [before.used, before.available]);
});

Deno.test("--until gone is met by that, and --keep-going goes on", async () => {
  await using demo = await startDemoCommand();
  const words = ["watch", demo.target, "--interval", "50ms", "--plain"];
  const gone = startGuestmem([...words, "--until", "gone"]);
  const going = startGuestmem([...words, "--keep-going"]);
  await Promise.all([gone.line(/blk0/), going.line(/blk0/)]);
  await demo.running.end("SIGKILL");
  assertEquals((await gone.end()).code, 0);
  await going.line(/\tgone$/);
  const { code, out } = await going.end("SIGINT");
  assertEquals(code, 130);
  assert(out.split("\n").filter((line) => line.endsWith("\tgone")).length >= 7);
});

Deno.test("--fast reads without a pause and tells how often", async () => {
  await using demo = await startDemoCommand();
  const words = ["watch", `${demo.target}/blk0:0`, "--fast", "--interval", "300ms", "--count", "2"];
  const { code, out, err } = await guestmem([...words, "--json"]);
  assertEquals(code, 0, err);
  for (const line of out.trimEnd().split("\n")) {
    const { samples, elapsed, readRate, gap } = JSON.parse(line);
    assert(samples > 10_000, line);
    assert(Math.abs(readRate / (samples * 1000 / elapsed) - 1) < 1e-4, line);
    assertEquals(gap, false);
  }
  assert(/guestmem: [0-9]+ readings of one ring, [0-9.]+[kM] a second/.test(err), err);
});

Deno.test("an interval of a millisecond says what it became", async () => {
  await using demo = await startDemoCommand();
  const words = ["watch", `${demo.target}/blk0:0`, "--interval", "1ms", "--count", "200", "--json"];
  const { code, out } = await guestmem(words);
  const rows = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals([code, rows.length], [0, 200]);
  const times = rows.map(({ elapsed }) => elapsed);
  assert(Math.min(...times) < 2, `${Math.min(...times)} ms`);
  for (const { elapsed, samples } of rows) assert(elapsed > 0 && samples > 0);
});
