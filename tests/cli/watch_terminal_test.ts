/** The full-screen view of `watch` on a real terminal, over the demo guest. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { commandLine, guestmem, temporaryFolder } from "../support/cli.ts";
import { startDemoCommand } from "../support/demo_command.ts";
import { liveTest } from "../support/linux_guest.ts";
import { commandOnTerminal, type Ending, onTerminal, tmuxMissing } from "../support/screen.ts";

/** A terminal as it was. */
const GIVEN_BACK: Omit<Ending, "code"> = {
  modes: "as before",
  alternate: false,
  cursor: true,
  wrap: true,
};

liveTest("80x24: a row per queue; a queue is opened, and left", tmuxMissing(), async () => {
  await using demo = await startDemoCommand("--rate", "200");
  await using terminal = await onTerminal(["watch", demo.target, "--interval", "300ms"]);
  const list = await terminal.shows(/> +(moving|idle) .*\n[^]*net1:1[^]* reports\n/);
  const lines = list.split("\n");
  assertEquals(lines.length, 24, list);
  assertMatch(lines[0], new RegExp(`^watch ${demo.target}  7 queues, 0 stuck .*every 300ms`));
  assertMatch(lines[2], /^ +VERDICT +QUEUE +RING +NOW +MAX USED\/S AVERAGE HISTORY +OLDEST$/);
  for (const queue of ["blk0:0", "blk1:0", "net0:0", "net0:1", "net0:2", "net1:0", "net1:1"]) {
    assertMatch(list, new RegExp(`^[> ] (moving|idle) +${queue} [:=|.]+ `, "m"));
  }
  await terminal.press("Down", "Enter");
  const opened = await terminal.shows(/HEAD +STATE[^]*(IN|OUT) sector/);
  assertMatch(opened, new RegExp(`${demo.target}/blk1:0  virtio-blk, queue 0 .* ring of 64`));
  await terminal.press("d");
  await terminal.shows(/head \d+, slot \d+, .* bytes? to read, [^]*(IN|OUT) sector[^]* writes ok/);
  await terminal.press("Escape");
  await terminal.shows(/> (moving|idle) +blk1:0/);
  await terminal.press("/", "n", "e", "t", "0", "Enter");
  assert(!/blk1:0/.test(await terminal.shows(/filter: net0 \(3 match/)));
  await terminal.press("?");
  await terminal.shows(/^Keys$/m);
  await terminal.press("q");
  await terminal.shows(/VERDICT/);
  await terminal.press("q");
  assertEquals(await terminal.ended(), { code: 0, ...GIVEN_BACK });
});

liveTest("a kick from the screen moves the queue whose kick was lost", tmuxMissing(), async () => {
  await using demo = await startDemoCommand("--break", "lose-kick", "--break-after", "0s");
  await using terminal = await onTerminal(["watch", demo.target, "--interval", "200ms"]);
  await terminal.shows(/> lost kick +blk0:0/);
  const used = async () => {
    const { out } = await guestmem(["dump", "ring", `${demo.target}/blk0:0`, "--json"]);
    return JSON.parse(out).used.index as number;
  };
  const before = await used();
  await terminal.press("K");
  await terminal.shows(/by eventfd: eventfd \d+ of process \d+: write 1 \(kick\)\ny kicks/);
  await terminal.press("n");
  await terminal.shows(/lost kick: available/);
  assertEquals(await used(), before, "asked, and not kicked");
  await terminal.press("K");
  await terminal.shows(/y kicks/);
  await terminal.press("y");
  const proof = await terminal.shows(/used index \d+ before, \d+ after/);
  assertMatch(proof, new RegExp(`used index ${before} before`));
  assert(await used() !== before);
  await terminal.press("x", "q");
  assertEquals((await terminal.ended()).code, 0);
});

liveTest("whatever ends it, the terminal is as it was", tmuxMissing(), async () => {
  await using demo = await startDemoCommand();
  const words = ["watch", demo.target, "--interval", "100ms"];
  for (const signal of ["SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"] as const) {
    await using terminal = await onTerminal(words);
    await terminal.shows(/VERDICT/);
    Deno.kill(await terminal.pid(), signal);
    assertEquals(await terminal.ended(), { code: 130, ...GIVEN_BACK }, signal);
  }
  {
    await using terminal = await onTerminal(words);
    await terminal.shows(/VERDICT/);
    await terminal.press("Enter", "K", "C-c");
    assertEquals(await terminal.ended(), { code: 130, ...GIVEN_BACK });
  }
  await using terminal = await onTerminal([...words, "--for", "1s"]);
  assertEquals(await terminal.ended(), { code: 0, ...GIVEN_BACK });
  // The last it saw stays, as it does where there is no screen.
  await terminal.shows(new RegExp(`^${demo.target}/net1:1 .* (moving|idle)$`, "m"));
});

/** Takes the screen, and comes to an end that nobody foresaw. */
const ACCIDENTS = {
  "an error that nobody caught": "setTimeout(() => { throw new Error(`boom`); }, 100)",
  "a promise that nobody caught": "setTimeout(() => Promise.reject(new Error(`boom`)), 100)",
  "an exit from within": "setTimeout(() => Deno.exit(1), 100)",
} as const;

for (const [name, accident] of Object.entries(ACCIDENTS)) {
  liveTest(`${name} gives the terminal back`, tmuxMissing(), async () => {
    const code = `import { takeScreen } from "${
      import.meta.resolve("../../cli/screen/terminal.ts")
    }";
      const screen = takeScreen({ key() {}, resize() {}, notice() {} }, async (bytes) => {
        await Deno.stdout.write(bytes);
      });
      await screen.draw(["drawn"]);
      ${accident};`;
    await using terminal = await commandOnTerminal([Deno.execPath(), "eval", "--quiet", code]);
    assertEquals(await terminal.ended(), { code: 1, ...GIVEN_BACK });
    // What was said of it is not lost with the screen.
    if (accident.includes("boom")) await terminal.shows(/error: Uncaught .*boom/);
  });
}

liveTest("a terminal that goes away ends it", tmuxMissing(), async () => {
  await using demo = await startDemoCommand();
  await using terminal = await onTerminal(["watch", demo.target, "--interval", "100ms"]);
  await terminal.shows(/VERDICT/);
  const pid = await terminal.pid();
  await terminal.close();
  for (let turn = 0; turn < 100; turn++) {
    if (!await Deno.stat(`/proc/${pid}`).then(() => true, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${pid} still runs`);
});

liveTest("20x5 is told that it is too small; it grows and shrinks", tmuxMissing(), async () => {
  await using demo = await startDemoCommand();
  const small = { columns: 20, rows: 5 };
  await using terminal = await onTerminal(["watch", demo.target, "--interval", "100ms"], small);
  assertEquals(
    await terminal.shows(/queues stuck/),
    "20x5 is too small:\n40x8 is wanted\n0 of 7 queues stuck\nq quits",
  );
  await terminal.resize(150, 40);
  await terminal.shows(/^ +VERDICT.* AVAIL +USED .*NOTIFY$/m);
  await terminal.resize(60, 12);
  const narrow = await terminal.shows(/^watch [^\n]*\n\n +VERDICT.*USED\/S +OLDEST$/m);
  assert(narrow.split("\n").every((line) => line.length <= 60), narrow);
  await terminal.resize(20, 5);
  await terminal.shows(/^20x5 is too small:$/m);
  await terminal.press("q");
  assertEquals(await terminal.ended(), { code: 0, ...GIVEN_BACK });
});

liveTest("NO_COLOR: the cursor is a mark, and nothing is painted", tmuxMissing(), async () => {
  await using demo = await startDemoCommand();
  const words = ["watch", demo.target, "--interval", "100ms"];
  await using plain = await onTerminal(words, { env: { NO_COLOR: "1" } });
  await plain.shows(/^> (moving|idle)/m);
  assert(!(await plain.painted()).includes("\x1b"));
  await using coloured = await onTerminal(words);
  await coloured.shows(/^> (moving|idle)/m);
  assert((await coloured.painted()).includes("\x1b[32m"));
});

liveTest("a terminal that can not be drawn on gets lines", tmuxMissing(), async () => {
  await using demo = await startDemoCommand();
  const words = commandLine(["watch", demo.target, "--count", "1"]);
  await using terminal = await commandOnTerminal(["env", "TERM=dumb", ...words]);
  await terminal.shows(/^columns, a tab between two: TIME, [^]*Z\s+proc:\d+\/blk0:0/m);
  assertEquals(await terminal.ended(), { code: 0, ...GIVEN_BACK });
});

liveTest("in a shell the prompt has the terminal again, and its keys", tmuxMissing(), async () => {
  await using demo = await startDemoCommand();
  await using folder = await temporaryFolder();
  const env = { XDG_STATE_HOME: folder.path, NO_COLOR: "1" };
  await using terminal = await onTerminal(["shell"], { env });
  await terminal.shows(/^guestmem>$/m);
  await terminal.press(`watch ${demo.target} --interval 100ms`, "Enter");
  await terminal.shows(/VERDICT/);
  await terminal.press("q");
  await terminal.shows(/^guestmem>$/m);
  await terminal.press("print first to last", "Enter");
  await terminal.shows(/^first to last$/m);
  await terminal.press("C-d");
  assertEquals(await terminal.ended(), { code: 0, ...GIVEN_BACK });
});

liveTest("Ctrl-Z gives the shell its terminal, and fg takes it again", tmuxMissing(), async () => {
  await using demo = await startDemoCommand();
  await using terminal = await onTerminal(["watch", demo.target, "--interval", "100ms"]);
  await terminal.shows(/VERDICT/);
  await terminal.press("C-z");
  const stopped = await terminal.shows(/^stopped$[^]* echo /m);
  assertMatch(stopped, / icanon /);
  assert(!/VERDICT/.test(stopped), stopped);
  await terminal.press("Enter");
  await terminal.shows(/VERDICT/);
  await terminal.press("Down");
  await terminal.shows(/^> (moving|idle) +blk1:0/m);
  await terminal.press("q");
  assertEquals(await terminal.ended(), { code: 0, ...GIVEN_BACK });
});
