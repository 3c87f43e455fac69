/** The shell on a terminal. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { commandLine, guestmem, temporaryFolder } from "../support/cli.ts";
import { writeImage } from "../support/images.ts";
import { openTerminal, type Typist } from "../support/terminal.ts";

async function shell(folder: string): Promise<Typist> {
  const env = { XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder, NO_COLOR: "1" };
  const typist = openTerminal(commandLine(["shell"]), env);
  await typist.shows(/guestmem> /);
  return typist;
}

const PROMPT = /guestmem> .{0,6}$/;

Deno.test("map stays, Tab completes commands and targets, errors go on", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_chain3", folder.path);
  await using typist = await shell(folder.path);
  await typist.type(`map file:${raw} --layout ${layout}\r`, /m1@this[^]*guestmem> /);
  await typist.type("diag", /diag$/);
  assertMatch(await typist.type("\t", /nose/), /nose/);
  assertMatch(await typist.type("\r", /missing required argument[^]*guestmem> /), /remedy: /);
  await typist.type("dump ring m1@", /m1@$/);
  await typist.type("\t", /this/);
  await typist.type("/", /\/$/);
  await typist.type("\t", /ring0/);
  const ring = await typist.type(" --json\r", /guestmem> /);
  assert(ring.includes('"schema":"guestmem/ring/1"'), ring);
  await typist.type("let r = dump ring m1@this --json\r", /guestmem> /);
  assertMatch(await typist.type("print size $r.size\r", /size \d+[^]*guestmem> /), /size 256\r/);
  assertMatch(await typist.type("print $q\r", /no variable[^]*guestmem> /), /set: \$r/);
  assertMatch(await typist.type("print 'a\r", /no closing '[^]*guestmem> /), /remedy/);
  await typist.type("unmap m1\r", PROMPT);
  await typist.type("dump table m1@this\r", /remedy: [^]*guestmem> /);
  assertEquals(await typist.leave("\x04"), 4, "as of the last command");
});

Deno.test("Ctrl-C ends a command or empties the line, not the shell", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_live_wrap", folder.path);
  await using typist = await shell(folder.path);
  await typist.type(`map file:${raw} --layout ${layout}\r`, /m1@this[^]*guestmem> /);
  await typist.type("watch m1@this --interval 50ms --plain\r", /T[\d:.]+Z\tm1@this/);
  await typist.type("\x03", /guestmem> /);
  await typist.type("nonsense", /nonsense$/);
  await typist.type("\x03", /guestmem> /);
  await typist.type("print still here\r", /\nstill here\r[^]*guestmem> /);
  assertEquals(await typist.leave("exit\r"), 0);
});

Deno.test("what is typed while a command runs is run after it, line by line", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_live_wrap", folder.path);
  await using typist = await shell(folder.path);
  await typist.type(`map file:${raw} --layout ${layout}\r`, /m1@this[^]*guestmem> /);
  await typist.type("watch m1@this --for 1s --plain\r", /watch/);
  const shown = await typist.type(
    "print one more\rprint two more\rprint three",
    // A line's own output begins a row, or one that was erased.
    /(\n|.\[G)one more\r[^]*\ntwo more\r[^]*guestmem> .{0,8}print three$/,
  );
  assertMatch(shown, /guestmem> .{0,6}print one more/);
  await typist.type(" more\r", /\nthree more\r[^]*guestmem> /);
  assertEquals(await typist.leave("exit\r"), 0);
});

Deno.test("a Tab that is typed ahead of its line's end does no harm", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_live_wrap", folder.path);
  await using typist = await shell(folder.path);
  await typist.type(`map file:${raw} --layout ${layout}\r`, /m1@this[^]*guestmem> /);
  await typist.type("watch m1@this --for 500ms --plain\r", /watch/);
  await typist.type("print pri\tx\rprint after\r", /\nafter\r[^]*guestmem> /);
  assertEquals(await typist.leave("exit\r"), 0);
});

Deno.test("what was typed is there in the next shell, for its user alone", async () => {
  await using folder = await temporaryFolder();
  {
    await using typist = await shell(folder.path);
    await typist.type("print first words\r", /\nfirst words[^]*guestmem> /);
    assertEquals(await typist.leave("quit\r"), 0);
  }
  assertEquals(Deno.statSync(`${folder.path}/guestmem/history`).mode! & 0o777, 0o600);
  await using typist = await shell(folder.path);
  await typist.type("\x1b[A", /print first words/);
  await typist.type("\r", /\nfirst words[^]*guestmem> /);
  await typist.leave("\x04");
});

Deno.test("without a terminal there is no shell", async () => {
  const { code, err } = await guestmem(["shell"]);
  assertEquals(code, 2);
  assertMatch(err, /a shell wants a terminal\nremedy: `guestmem run -`/);
});
