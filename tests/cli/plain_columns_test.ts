/** The fields of `--plain` are those that the page for scripts lists. */
import { assert, assertEquals } from "@std/assert";
import { grantRows, watchPlainLine } from "../../cli/render/grants.ts";
import type { GrantSummary } from "../../lib/xen/grant_table.ts";
import { guestmem, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { ownDemo } from "../support/demo.ts";
import { connectPeer } from "../support/vhost_peer.ts";

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

/** What wants a session, Xen, or runs until it is ended: below, or with the rendering of its bytes. */
const ELSEWHERE = [
  ...["session list", "dump grants", "dump grants --watch", "tap", "ivshmem-server", "demo"],
];

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
  assertEquals(new Set([...Object.keys(words), ...ELSEWHERE]), new Set(fields.keys()));
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

Deno.test("commands that run until they are ended print as many fields as the page says", async () => {
  const fields = documented();
  await using folder = await temporaryFolder();
  const runs = {
    "tap": ["tap", `${folder.path}/tap.sock`, `${folder.path}/none.sock`, "--wait", "100ms"],
    "ivshmem-server": ["ivshmem-server", `${folder.path}/iv.sock`, "--size", "4K"],
    "demo": ["demo"],
  };
  for (const [command, words] of Object.entries(runs)) {
    const running = startGuestmem([...words, "--plain"]);
    try {
      if (command === "tap") await refusedPeer(`${folder.path}/tap.sock`);
      const line = await running.line(/./);
      assertEquals(line.split("\t").length, fields.get(command)?.length, line);
    } finally {
      await running.end("SIGINT");
    }
  }
});

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Somebody who comes while nobody is there on the far side: that is an event. */
async function refusedPeer(path: string): Promise<void> {
  while (!await isThere(path)) await new Promise((resolve) => setTimeout(resolve, 10));
  using peer = connectPeer(path);
  await peer.gone();
}

Deno.test("a grant table's use, watched, has as many fields as the page says", () => {
  const summary = {
    ...{ used: 3, limit: 512, fill: 3 / 512, frames: 1, maxFrames: 64, mapped: 0 },
    byDomain: [],
  };
  const wanted = documented().get("dump grants --watch")?.length;
  for (const alarm of [false, true]) {
    assertEquals(
      watchPlainLine(1, summary as unknown as GrantSummary, alarm).split("\t").length,
      wanted,
    );
  }
  assertEquals(grantRows([]).columns.length, documented().get("dump grants")?.length);
});
