/** Scripts: what they can do, and how they end. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { commandLine, ROOT, type Run, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { guestmem } from "../support/cli.ts";
import { writeImage } from "../support/images.ts";

/** Runs a script from stdin. */
async function script(text: string, ...options: readonly string[]): Promise<Run> {
  const [program, ...args] = commandLine(["run", "-", ...options]);
  const child = new Deno.Command(program, {
    args,
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("map, look, compare, unmap: with variables, in one session", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_chain3", folder.path);
  const { code, out, err } = await script(`
# a comment
let m = map file:${raw} --layout ${layout}
let r = dump ring $m/ring0:0 --json
print "$m: $r.format $r.size, first head \${r.chains[0].head}"   # more of it
expect $r.size == 0x100
expect $r.inFlight > 0
map file:${raw} --name 'second one'
`);
  assertEquals(code, 2);
  assertMatch(out, /^m1@this: split 256, first head \d+\n$/);
  assertMatch(err, /^guestmem: stdin:8:\d+: session: parse: "second one" is no name/);
});

Deno.test("--set gives a script its variables, JSON included", async () => {
  await using folder = await temporaryFolder();
  const { raw } = await writeImage("split_256_chain3", folder.path);
  const text = `let m = map $guest\nprint "$m $limits.size"\nexpect $n == 3\n`;
  const set = ["--set", `guest=file:${raw}`, "--set", "n=2", "--set", "n=3"];
  const { code, out, err } = await script(text, ...set, "--set", 'limits={"size":7}');
  assertEquals([code, out, err], [0, "m1@this 7\n", ""]);
  const missing = await script(text, "--set", "gest=file:x", "--check");
  assertEquals(missing.code, 2);
  assertStringIncludes(missing.err, "no variable $guest\nremedy: set: $gest\n");
  const wrong = await script(text, "--set", "guest");
  assertEquals(wrong.code, 2);
  assertStringIncludes(wrong.err, "Want NAME=VALUE");
});

Deno.test("what a script maps stays until it is unmapped, and no longer", async () => {
  await using folder = await temporaryFolder();
  const { raw } = await writeImage("split_256_chain3", folder.path);
  const { code, out, err } = await script(
    `let a = map file:${raw}\nmap file:${raw} --json --name b\n` +
      `dump table $a --plain\ndump mem b@this 0 16\nunmap b\nunmap $a\ndump table m1@this\nprint no`,
  );
  assertEquals(code, 4);
  const [mapping, table, bytes, ...rest] = out.trimEnd().split("\n");
  assertEquals(JSON.parse(mapping).target, "b@this");
  assertMatch(table, /^0x0\t/);
  assertMatch(bytes, /^00000000 /);
  assertEquals(rest, []);
  assertEquals(
    err,
    'guestmem: stdin:7:12: session: open: session this holds no "m1"\nremedy: it holds nothing\n',
  );
});

Deno.test("it stops at the first failure, with its exit code and place", async () => {
  const cases: [string, number, string][] = [
    ["print a\nmap   file:/nonexistent\nprint b", 4, "stdin:2:7: file: stat"],
    [
      "print a\n  dump ring file:/x --jso\nprint b",
      2,
      "stdin:2:21: unknown option '--jso'\nremedy: did you mean --json?",
    ],
    ["print a\nexpect 3 > 10\nprint b", 1, "stdin:2:1: expected 3 > 10"],
    ["print a\nexpect 3 = 3\nprint b", 2, "stdin:2:10: this is no condition"],
    [
      "print a\nlet x = print text\nprint $x.field\n",
      2,
      "stdin:3:7: $x is text, and has no fields",
    ],
    ["print a\nrun other\n", 2, "stdin:2:1: run is not for inside a script"],
  ];
  for (const [text, code, message] of cases) {
    const run = await script(text);
    assertEquals([run.code, run.out], [code, "a\n"], run.err);
    assertStringIncludes(run.err, `guestmem: ${message}`);
  }
});

Deno.test("what is written wrong is refused before anything runs", async () => {
  const cases: [string, string][] = [
    ["print a\nfidn --json", "stdin:2:1: unknown command 'fidn'\nremedy: did you mean find?"],
    ["print a\nprint $y", "stdin:2:7: no variable $y"],
    ["print a\nprint 'b", "stdin:2:7: no closing '"],
    ["print a\nfind | wc", 'stdin:2:6: "|" means nothing here'],
    ["print a\nlet x = ", "stdin:2:9: no command after let x ="],
    ["print a\n--json", 'stdin:2:1: "--json" is no command'],
  ];
  for (const [text, message] of cases) {
    const run = await script(text);
    assertEquals([run.code, run.out], [2, ""], run.err);
    assertStringIncludes(run.err, `guestmem: ${message}`);
    assertStringIncludes(run.err, "remedy: ");
  }
});

Deno.test("findings stop a script that asks for the check, with 3", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("bad_split_loop_two", folder.path);
  const map = `let m = map file:${raw} --layout ${layout}\n`;
  const checked = await script(`${map}dump ring $m --check --json\nprint never`);
  assertEquals(checked.code, 3, checked.err);
  assertStringIncludes(checked.err, "stdin:2:11: dump reported findings, and was asked to check");
  assert(!checked.out.includes("never"));
  const shown = await script(`${map}let r = dump ring $m --json\nprint $r.findings[0].code`);
  assertEquals([shown.code, shown.out], [0, "loop\n"], shown.err);
});

Deno.test("a file, --check and --verbose", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a.gm`;
  await Deno.writeTextFile(path, "#!/usr/bin/env guestmem run\r\nprint one\r\n\r\n  print two\r\n");
  assertEquals(await guestmem(["run", path]), { code: 0, out: "one\ntwo\n", err: "" });
  assertEquals(await guestmem(["run", path, "--check"]), { code: 0, out: "", err: "" });
  const verbose = await guestmem(["run", path, "--verbose"]);
  assertEquals([verbose.out, verbose.err], ["one\ntwo\n", "+ print one\n+ print two\n"]);
  const missing = await guestmem(["run", `${folder.path}/b.gm`]);
  assertEquals(missing.code, 2);
  assertStringIncludes(missing.err, "no script");
  await Deno.writeFile(path, Uint8Array.of(0xff, 0xfe, 0));
  assertEquals((await guestmem(["run", path])).code, 2);
});

Deno.test("Ctrl-C ends the command and the script, and leaves nothing", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_live_wrap", folder.path);
  const path = `${folder.path}/a.gm`;
  await Deno.writeTextFile(
    path,
    `let m = map file:${raw} --layout ${layout}\nwatch $m --interval 50ms --plain\nprint never\n`,
  );
  const run = startGuestmem(["run", path]);
  await run.line(/m1@this/);
  const { code, out, err } = await run.end("SIGINT");
  assertEquals([code, err], [130, ""]);
  assert(!out.includes("never"));
});
