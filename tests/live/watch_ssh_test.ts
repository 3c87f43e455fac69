/** The full-screen view of `watch` over a real ssh, at 80x24 in tmux. */
import { assertEquals, assertMatch } from "@std/assert";
import { temporaryFolder } from "../support/cli.ts";
import { startDemoCommand } from "../support/demo_command.ts";
import { liveTest } from "../support/linux_guest.ts";
import { commandOnTerminal, type Ending, tmuxMissing } from "../support/screen.ts";
import { lineThere, login, loginMissing } from "../support/ssh.ts";

const missing = tmuxMissing() ?? await loginMissing();

const GIVEN_BACK: Omit<Ending, "code"> = {
  modes: "as before",
  alternate: false,
  cursor: true,
  wrap: true,
};

liveTest("over ssh: a row per queue, keys, another size, q", missing, async () => {
  await using demo = await startDemoCommand();
  await using here = await login();
  const line = await lineThere(["watch", demo.target, "--interval", "200ms"]);
  await using terminal = await commandOnTerminal(here.on(line));
  const list = await terminal.shows(/^> (moving|idle) .*\n[^]*net1:1/m);
  assertEquals(list.split("\n").length, 24, list);
  await terminal.press("Down", "Enter");
  await terminal.shows(/HEAD +STATE[^]*(IN|OUT) sector/);
  await terminal.press("Escape");
  await terminal.resize(150, 40);
  await terminal.shows(/^ +VERDICT.* AVAIL +USED .*NOTIFY$/m);
  await terminal.press("q");
  assertEquals(await terminal.ended(), { code: 0, ...GIVEN_BACK });
});

liveTest("over ssh: Ctrl-C ends it, and the code comes back", missing, async () => {
  await using demo = await startDemoCommand();
  await using here = await login();
  await using terminal = await commandOnTerminal(here.on(await lineThere(["watch", demo.target])));
  await terminal.shows(/^> (moving|idle) /m);
  await terminal.press("C-c");
  assertEquals(await terminal.ended(), { code: 130, ...GIVEN_BACK });
});

liveTest("a connection that is lost ends the watch on the far side", missing, async () => {
  await using demo = await startDemoCommand();
  await using here = await login();
  await using folder = await temporaryFolder();
  const line = await lineThere(["watch", demo.target, "--interval", "200ms"]);
  const told = here.on(`echo $$ >${folder.path}/pid; ${line}`);
  await using terminal = await commandOnTerminal(told);
  await terminal.shows(/VERDICT/);
  const far = Number(await Deno.readTextFile(`${folder.path}/pid`));
  assertMatch(await Deno.readTextFile(`/proc/${far}/cmdline`), /watch/);
  Deno.kill(await terminal.pid(), "SIGKILL");
  for (let turn = 0; turn < 100; turn++) {
    if (!await Deno.stat(`/proc/${far}`).then(() => true, () => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${far} still runs`);
});
