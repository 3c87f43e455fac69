/** Manuals: their width, their man pages, and that both tell of every option. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describeAll } from "../../cli/describe.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { manPages } from "../../cli/manual/pages.ts";
import { writeManPages } from "../../cli/manual/write.ts";
import { processContext } from "../../cli/output.ts";
import { guestmem, temporaryFolder } from "../support/cli.ts";
import { liveTest, onPath } from "../support/linux_guest.ts";

const never = { signal: new AbortController().signal, take: () => ({ [Symbol.dispose]() {} }) };

function contextOf(columns: number) {
  return { ...processContext(never), size: () => ({ columns, rows: 24 }) };
}

const commands = await describeAll(contextOf(80));

Deno.test("no line of any manual is wider than a terminal of 80 columns", async () => {
  for (const { words } of commands) {
    const { text } = await dispatch(["help", ...words], contextOf(80));
    // Two lines of a hex dump side by side are as wide as a terminal, and here they are indented.
    const wide = text.split("\n")
      .filter((line) => line.length > 80 && !/^ {2}[-+] [0-9a-f]{8} {2}/.test(line));
    assertEquals(wide, [], words.join(" "));
  }
});

Deno.test("help names every option, argument and command", async () => {
  assert(commands.length > 20);
  for (const { words, options, arguments: args, commands: children } of commands) {
    const { text } = await dispatch(["help", ...words], contextOf(80));
    for (const { flags } of options) assertStringIncludes(text, flags);
    for (const { name } of [...args, ...children]) assertStringIncludes(text, `  ${name} `);
  }
});

Deno.test("a man page per command, with every option in it", async () => {
  const pages = await manPages(contextOf(80));
  assertEquals(pages.length, commands.length);
  for (const [n, { words, options, summary }] of commands.entries()) {
    const { name, text } = pages[n];
    assertEquals(name, ["guestmem", ...words].join("-") + ".1");
    const plain = text.replaceAll("\\-", "-").replaceAll("\\(aq", "'");
    for (const { flags } of options) assertStringIncludes(plain, `\n.B ${flags}\n`, name);
    assertStringIncludes(plain, summary);
  }
  const { out } = await guestmem(["help", "--man", "dump", "ring"]);
  assertEquals(out, pages.find(({ name }) => name === "guestmem-dump-ring.1")?.text);
  assertStringIncludes((await guestmem(["help", "--man"])).out, '.TH "GUESTMEM" 1');
  const wrong = await guestmem(["help", "--man", "dmup"]);
  assertEquals([wrong.code, wrong.out], [2, ""]);
  assertStringIncludes(wrong.err, "did you mean dump?");
});

/** What a checker of man pages has to say about all of ours. */
async function complaints(program: string, args: readonly string[]): Promise<string> {
  await using folder = await temporaryFolder();
  const section = await writeManPages(folder.path);
  const files = [...Deno.readDirSync(section)].map(({ name }) => `${section}/${name}`);
  assertEquals(files.length, commands.length);
  let said = "";
  for (const file of files) {
    const { stdout, stderr } = await new Deno.Command(program, { args: [...args, file] }).output();
    said += new TextDecoder().decode(stderr);
    // mandoc's lint is its output; groff's is the page.
    if (args.includes("-Tlint")) said += new TextDecoder().decode(stdout);
  }
  return said;
}

function missing(program: string): string | null {
  return onPath(program) ? null : `no ${program}: apt-get install ${program}`;
}

liveTest("mandoc has no warning about any man page", missing("mandoc"), async () => {
  assertEquals(await complaints("mandoc", ["-Tlint", "-W", "warning"]), "");
});

liveTest("groff has no warning about any man page", missing("groff"), async () => {
  assertEquals(await complaints("groff", ["-man", "-Tutf8", "-ww", "-Kutf8"]), "");
});
