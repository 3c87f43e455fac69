/** Long output on a terminal goes through PAGER, short output and other streams do not. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isPaged } from "../../cli/pager.ts";
import { commandLine, guestmem, temporaryFolder } from "../support/cli.ts";
import { openTerminal } from "../support/terminal.ts";

/** What a terminal of 80 by 24 shows of a command, and the exit code. */
async function onTerminal(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ readonly shown: string; readonly code: number }> {
  const line = commandLine(args).map((word) => `"${word}"`).join(" ");
  const shell = `stty cols 80 rows 24; ${line}; echo ended with $?`;
  await using typist = openTerminal(["sh", "-c", shell], { ...env, NO_COLOR: "1" });
  const shown = await typist.shows(/ended with (\d+)/);
  return { shown, code: Number(/ended with (\d+)/.exec(shown)![1]) };
}

Deno.test("what is longer than the screen goes through PAGER, whole and as it is", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/paged`;
  const { shown, code } = await onTerminal(["help", "map"], { PAGER: `cat > ${file}; echo SEEN` });
  assertEquals(code, 0);
  assertStringIncludes(shown, "SEEN");
  assert(!shown.includes("Usage:"), shown);
  assertEquals(await Deno.readTextFile(file), (await guestmem(["help", "map"])).out);
});

Deno.test("what fits the screen is printed, and so is what has no pager", async () => {
  const short = await onTerminal(["help", "unmap"], { PAGER: "echo PAGED" });
  assert(!short.shown.includes("PAGED"), short.shown);
  assertStringIncludes(short.shown, "Usage: guestmem unmap");
  for (const PAGER of ["", "cat"]) {
    assertStringIncludes(
      (await onTerminal(["help", "map"], { PAGER })).shown,
      "Usage: guestmem map",
    );
  }
});

Deno.test("a PAGER that is not there hides nothing", async () => {
  for (const PAGER of ["nosuchpager", "/nowhere/pager -R"]) {
    const { shown, code } = await onTerminal(["help", "map"], { PAGER });
    assertStringIncludes(shown, `no pager: ${PAGER.split(" ")[0]} of PAGER is not`);
    assertStringIncludes(shown, "Usage: guestmem map");
    assertEquals(code, 0);
  }
});

Deno.test("what the shell itself does may stand before the pager", async () => {
  const { shown } = await onTerminal(["help", "map"], { PAGER: "exec head -n 1" });
  assertStringIncludes(shown, "Usage: guestmem map");
  assert(!shown.includes("no pager"), shown);
});

Deno.test("Ctrl-C ends what has no pager", async () => {
  await using folder = await temporaryFolder();
  const raw = `${folder.path}/ram`;
  await Deno.writeFile(raw, crypto.getRandomValues(new Uint8Array(1 << 16)));
  const memory = Array.from({ length: 1024 }, (_, n) => ({
    ...{ file: raw, size: 1 << 16, offset: 0 },
    gpa: `0x${(n << 16).toString(16)}`,
  }));
  await Deno.writeTextFile(`${raw}.json`, JSON.stringify({ format: "ring-image/1", memory }));
  const words = ["dump", "mem", `file:${raw}`, "0", "64M", "--layout", `${raw}.json`];
  await using typist = openTerminal(commandLine(words), { PAGER: "nosuchpager", NO_COLOR: "1" });
  await typist.shows(/^00000010 /m);
  assertEquals(await typist.leave("\x03"), 130);
});

Deno.test("a pager that ends early ends the command, without a word and with code 0", async () => {
  await using folder = await temporaryFolder();
  const raw = `${folder.path}/ram`;
  await Deno.writeFile(raw, crypto.getRandomValues(new Uint8Array(1 << 16)));
  await Deno.writeTextFile(
    `${raw}.json`,
    JSON.stringify({
      format: "ring-image/1",
      memory: [{ file: raw, gpa: "0x0", size: 1 << 16, offset: 0 }],
    }),
  );
  const words = ["dump", "mem", `file:${raw}`, "0", "64K", "--layout", `${raw}.json`];
  const { shown, code } = await onTerminal(words, { PAGER: "head -n 2" });
  assertEquals(code, 0);
  assertMatch(shown, /^00000000 .*\r\n00000010 .*\r\nended with 0/m);
  assert(!shown.includes("guestmem:"), shown);
});

Deno.test("only what prints and ends is paged", () => {
  const yes = ["", "help", "find", "doctor", "dump ring qemu:1", "map qemu:1", "kick --help"];
  const no = [
    "watch qemu:1",
    "map qemu:1 --hold",
    "dump search x",
    "dump grants x --watch",
    "kick x",
  ];
  const words = (line: string) => line.split(" ").filter((word) => word !== "");
  for (const line of yes) assertEquals(isPaged(words(line)), true, line);
  for (const line of no) assertEquals(isPaged(words(line)), false, line);
});
