/** The shell on a terminal, which script(1) makes. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { commandLine, guestmem, ROOT, temporaryFolder } from "../support/cli.ts";
import { writeImage } from "../support/images.ts";

/** Someone at a terminal. */
interface Typist extends AsyncDisposable {
  /** Types, and waits until the terminal shows what matches since. */
  type(keys: string, shows: RegExp): Promise<string>;
  /** Types, and waits for the end. Gives the exit code. */
  leave(keys: string): Promise<number>;
}

/** How long something may take to show, in milliseconds. */
const PATIENCE = 15_000;

/** It may have ended by itself. */
function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

async function shell(folder: string): Promise<Typist> {
  const line = commandLine(["shell"]).map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("script", {
    args: ["-qfec", line, "/dev/null"],
    cwd: ROOT,
    env: { XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder, NO_COLOR: "1", TERM: "xterm" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let shown = "";
  const wait = async (pattern: RegExp) => {
    // Whoever waits in vain is told so by the end of the output.
    const late = setTimeout(() => kill(child), PATIENCE);
    while (!pattern.test(shown)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`no ${pattern} in ${JSON.stringify(shown)}`);
      shown += value;
    }
    clearTimeout(late);
    const all = shown;
    shown = "";
    return all;
  };
  const type = async (keys: string, shows: RegExp) => {
    await writer.write(new TextEncoder().encode(keys));
    return await wait(shows);
  };
  const leave = async (keys: string) => {
    await writer.write(new TextEncoder().encode(keys));
    const late = setTimeout(() => kill(child), PATIENCE);
    while (!(await reader.read()).done);
    clearTimeout(late);
    await writer.close();
    return (await child.status).code;
  };
  await wait(/guestmem> /);
  return {
    type,
    leave,
    async [Symbol.asyncDispose]() {
      kill(child);
      await reader.cancel();
      await writer.close().catch(() => {});
      await child.status;
    },
  };
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
  assertMatch(await typist.type("print still here\r", /still here\r/), /still here/);
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
