/** Words on the command line, and what they end in. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { COMMANDS } from "../../cli/commands.ts";
import { guestmem } from "../support/cli.ts";

Deno.test("no words, help and --help are one; every command is in it", async () => {
  const [none, help, flag] = await Promise.all([
    guestmem([]),
    guestmem(["help"]),
    guestmem(["-h"]),
  ]);
  assertEquals([none.code, help.code, flag.code], [0, 0, 0]);
  assertEquals(none.out, help.out);
  assertEquals(none.out, flag.out);
  for (const { name, summary } of COMMANDS) {
    assertStringIncludes(none.out, `  ${name} `);
    assertStringIncludes(none.out, summary);
  }
});

Deno.test("the version is that of deno.json", async () => {
  assertEquals((await guestmem(["--version"])).out, `${config.version}\n`);
});

Deno.test("help at any depth is a manual with a transcript", async () => {
  const verbs = COMMANDS.map(({ name }) => [name]).filter(([name]) => name !== "dump");
  const things = ["mem", "ring", "table", "config", "search"].map((thing) => ["dump", thing]);
  for (const words of [...verbs, ...things]) {
    const [help, flag] = [await guestmem(["help", ...words]), await guestmem([...words, "--help"])];
    assertEquals([help.code, help.err], [0, ""]);
    assertEquals(help.out, flag.out);
    assertStringIncludes(help.out, `Usage: guestmem ${words.join(" ")}`);
    assertStringIncludes(help.out, `  $ guestmem ${words.join(" ")}`);
  }
});

Deno.test("a wrong word is a usage error with a remedy, and nothing on stdout", async () => {
  const cases: [string[], string, string][] = [
    [["fnid"], "unknown command 'fnid'", "did you mean find?"],
    [["dump", "rign"], "unknown command 'rign'", "did you mean ring?"],
    [["help", "dump", "rign"], "unknown command 'rign'", "did you mean ring?"],
    [["dump", "nope", "--help"], "unknown command 'nope'", "`guestmem help dump`"],
    [["help", "nope"], "unknown command 'nope'", "`guestmem help` has the manual"],
    [["kick"], "missing required argument 'target'", "`guestmem help kick` has the manual"],
    [["find", "--jsn"], "unknown option '--jsn'", "did you mean --json?"],
    [
      ["dump", "mem", "file:x", "12q", "1"],
      "argument 'address': Not a number",
      "`guestmem help dump mem`",
    ],
    [["dump", "mem", "file:x", "1", "0"], "argument 'length'", "`guestmem help dump mem`"],
    [
      ["dump", "mem", "file:x", "1", "1", "--format", "png"],
      "'--format <format>'",
      "`guestmem help dump mem`",
    ],
    [["tap", "/tmp/a", "/tmp/../tmp/a"], "are the same socket", "name a new socket for LISTEN"],
    [["watch", "file:x", "--for", "soon"], "'--for <duration>'", "`guestmem help watch`"],
    [["watch", "file:x", "--for", "5"], "Want a unit: 5s, or 5ms", "`guestmem help watch`"],
    [["watch", "file:x", "--metrics", "0", "--count", "1"], "--count means nothing", "leave one"],
    [["watch", "file:x", "--pcap", "x", "--until", "idle"], "--until means nothing", "leave one"],
    [["map", "nowhere"], 'not a target: "nowhere"', "`guestmem help` explains targets"],
    [["map", "zfs:x"], 'unknown scheme "zfs"', "`guestmem help` explains targets"],
    [["map", "qmu:4242/blk0"], 'unknown scheme "qmu"', "did you mean qemu:4242/blk0?"],
    [["dump", "search", "file:/etc/hostname"], "want --bytes or --text", "--bytes 55aa"],
    [["dump", "mem", "file:/etc/hostname", "0", "1", "--skip-gaps"], "--skip-gaps is for", ""],
  ];
  for (const [words, message, remedy] of cases) {
    const { code, out, err } = await guestmem(words);
    assertEquals([code, out], [2, ""], words.join(" "));
    assertStringIncludes(err, message);
    assert(err.startsWith("guestmem: "), err);
    if (remedy !== "") assertStringIncludes(err, `remedy: ${remedy}`);
  }
});

Deno.test("a target that is not there is 4, whatever it would have been", async () => {
  const cases = ["file:/nowhere/ram", "shm:guestmem-no-such-name", "qemu:4194303", "proc:4194303"];
  for (const target of cases) {
    const { code, out, err } = await guestmem(["map", target]);
    assertEquals([code, out], [4, ""], err);
    assert(/^guestmem: .*\nremedy: .+\n$/.test(err), err);
  }
});

Deno.test("what an error quotes can not reach the terminal's state", async () => {
  const { err } = await guestmem(["map", "file:/nowhere/\x1b[2J\u202e"]);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x09\x0b-\x1f\x7f\u202e]/.test(err), false);
  assertStringIncludes(err, "\\x1b[2J");
});
