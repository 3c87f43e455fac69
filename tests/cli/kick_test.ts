/** `kick` as a user runs it: which ways there are, which one is taken, how often, and what is refused. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { KICK_WAYS } from "../../lib/kick/ways.ts";
import { guestmem, type Run, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { writeImage } from "../support/images.ts";

/** Runs against a demo guest's queue. */
async function withDemo(run: (queue: string) => Promise<void>): Promise<void> {
  const demo = startGuestmem(["demo", "--for", "60s", "--json"]);
  try {
    const { target } = JSON.parse(await demo.line(/^\{/));
    await run(`${target}/blk0:0`);
  } finally {
    await demo.end("SIGINT");
  }
}

/** Runs against a queue of an image, which nobody can notify. */
async function kickImage(...more: string[]): Promise<Run> {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_chain3", folder.path);
  const [ring] = (await guestmem(["dump", "ring", `file:${raw}`, "--layout", layout, "--json"])).out
    .split("\n");
  return await guestmem(["kick", JSON.parse(ring).target, "--layout", layout, ...more]);
}

Deno.test("--list shows every way, which are possible and why not, and sends nothing", async () => {
  await withDemo(async (queue) => {
    const { code, out, err } = await guestmem(["kick", queue, "--list"]);
    assertEquals([code, err], [0, ""]);
    const rows = out.trimEnd().split("\n").slice(1).map((line) => line.split(/ {2,}/));
    assertEquals(rows.map(([name]) => name).toSorted(), KICK_WAYS.toSorted());
    assertEquals(rows[0].slice(0, 2), ["eventfd", "yes, taken"]);
    for (const [name, possible, why] of rows.slice(1)) {
      assertEquals(possible, "no", name);
      assert(why.length > 10, name);
    }
    const plain = (await guestmem(["kick", queue, "--list", "--plain"])).out;
    assertEquals(plain.split("\n")[0].split("\t").slice(0, 2), ["eventfd", "yes, taken"]);
    const sent = (await guestmem(["kick", queue, "--plain"])).out.trimEnd().split("\t");
    assertEquals([sent.length, ...sent.slice(0, 2)], [5, queue, "eventfd"]);
    const json = JSON.parse((await guestmem(["kick", queue, "--list", "--json"])).out);
    assertEquals([json.schema, json.target], ["guestmem/kick-ways/1", queue]);
    assertEquals(json.ways.length, KICK_WAYS.length);
    for (const { possible, reason, signals, taken, name } of json.ways) {
      assertEquals(
        [reason === null, signals !== null, taken],
        [possible, possible, possible],
        name,
      );
    }
  });
});

Deno.test("--count and --interval: as many as asked, in time, each with its proof", async () => {
  await withDemo(async (queue) => {
    const words = ["kick", queue, "--count", "5", "--interval", "40ms"];
    const { code, out } = await guestmem([...words, "--json"]);
    assertEquals(code, 0);
    const kicks = out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(kicks.map(({ number }) => number), [1, 2, 3, 4, 5]);
    for (const { evidence, before, sent } of kicks) {
      assertEquals(sent, true);
      assert(/^eventfd \d+ of process \d+, counter \d+, \d+ after/.test(evidence[0]), evidence[0]);
      assert(Number.isInteger(before.used));
    }
    const took = Date.parse(kicks[4].time) - Date.parse(kicks[0].time);
    assert(took >= 155, `four intervals took ${took} ms`);
    const text = (await guestmem([...words, "--call"])).out;
    assertStringIncludes(text, "write 1 (call)\n1/5 eventfd ");
    assert(/\n5 sent in [0-9.]+ s: used index \d+ at first, \d+ now\n$/.test(text), text);
  });
});

Deno.test("--via forces one way; a way of another hypervisor is refused with its home", async () => {
  await withDemo(async (queue) => {
    const eventfd = await guestmem(["kick", queue, "--via", "eventfd", "--json"]);
    assertEquals(JSON.parse(eventfd.out).way, "eventfd");
    const evtchn = await guestmem(["kick", queue, "--via", "evtchn"]);
    assertEquals([evtchn.code, evtchn.out], [1, ""]);
    assertStringIncludes(evtchn.err, "evtchn: not for this target, but for Xen's event channels");
    assertStringIncludes(evtchn.err, "remedy: --via eventfd");
  });
});

Deno.test("a queue that nobody can notify: exit 1, and each way's reason", async () => {
  const { code, out, err } = await kickImage();
  assertEquals([code, out], [1, ""]);
  assertStringIncludes(err, "eventfd: which eventfd carries this queue's kick is not known");
  assertStringIncludes(err, "monitor: the guest has no monitor that answers");
  const list = await kickImage("--list");
  assertEquals(list.code, 0);
  assert(!list.out.includes("yes"), list.out);
});

Deno.test("wrong words are usage errors, before anything is attached", async () => {
  const cases: [string[], string, string][] = [
    [["--via", "evntfd"], 'no way is called "evntfd"', "did you mean eventfd?"],
    [["--via", "smoke"], 'no way is called "smoke"', "ways: eventfd, ioeventfd, evtchn"],
    [["--via", ""], 'no way is called ""', "ways: eventfd"],
    [["--interval", "1s"], "--interval is for more than one kick", "add --count 10"],
    [["--count", "0"], "'--count <n>'", "`guestmem help kick`"],
    [["--count", "2", "--interval", "0"], "'--interval <duration>'", "`guestmem help kick`"],
    [["--list", "--count", "2"], "--list sends nothing", ""],
  ];
  for (const [words, message, remedy] of cases) {
    const { code, out, err } = await guestmem(["kick", "proc:1/blk0:0", ...words]);
    assertEquals([code, out], [2, ""], words.join(" "));
    assertStringIncludes(err, message);
    assertStringIncludes(err, remedy);
  }
});

Deno.test("no way is missing from the list, and none is in it that does not exist", async () => {
  const names = new Set<string>();
  const folder = new URL("../../lib/kick/", import.meta.url);
  for await (const { name } of Deno.readDir(folder)) {
    const source = await Deno.readTextFile(new URL(name, folder));
    for (const [, way] of source.matchAll(/^ {4}name: "([a-z-]+)"/gm)) names.add(way);
  }
  assertEquals([...names].toSorted(), KICK_WAYS.toSorted());
});
