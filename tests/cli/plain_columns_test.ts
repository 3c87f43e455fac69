/** The fields of `--plain` are those that the page for scripts lists. */
import { assert, assertEquals } from "@std/assert";
import { guestmem } from "../support/cli.ts";
import { ownDemo } from "../support/demo.ts";

/** Columns by command, as the table of the page has them. */
function documented(): Map<string, string[]> {
  const page = Deno.readTextFileSync(new URL("../../cli/docs/scripts.md", import.meta.url));
  const rows = [...page.matchAll(/^\| `([a-z -]+)` +\| (.*?) +\|$/gm)];
  const fields = new Map(
    rows.map(([, command, text]) => [command, text.replace(/\(.*?\)/g, "").split(", ")]),
  );
  fields.set("dump table", fields.get("map") ?? []);
  return fields;
}

Deno.test("every line of --plain has as many fields as the page says", async () => {
  const fields = documented();
  await using demo = await ownDemo({ break: "ring-full", breakAfter: 0 });
  const { target } = demo;
  const words: Record<string, string[]> = {
    "find": ["find"],
    "map": ["map", target],
    "dump table": ["dump", "table", target],
    "dump ring": ["dump", "ring", target],
    "dump mem": ["dump", "mem", target, "0x1fffff0", "32"],
    "dump config": ["dump", "config", target],
    "dump search": ["dump", "search", target, "--text", "a", "--limit", "3"],
    "diagnose": ["diagnose", target],
    "watch": ["watch", target, "--count", "1"],
    "kick": ["kick", `${target}/blk0:0`],
    "kick --list": ["kick", "--list", `${target}/blk0:0`],
    "doctor": ["doctor"],
  };
  assertEquals(new Set([...Object.keys(words), "session list"]), new Set(fields.keys()));
  for (const [command, line] of Object.entries(words)) {
    const { code, out, err } = await guestmem([...line, "--plain"]);
    assertEquals(code, 0, `${command}: ${err}`);
    const lines = out.replace(/\n$/, "").split("\n");
    assert(lines[0] !== "", `${command} printed nothing`);
    for (const one of lines) {
      assertEquals(one.split("\t").length, fields.get(command)?.length, `${command}: ${one}`);
    }
  }
});
