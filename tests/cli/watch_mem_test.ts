/** `watch mem` on a file that somebody writes to, and cuts. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { guestmem, startGuestmem, temporaryFolder } from "../support/cli.ts";

Deno.test("what is written is shown as a diff, what is cut off as unreadable", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/ram`;
  await Deno.writeFile(path, new Uint8Array(16384));
  const words = ["watch", "mem", `file:${path}`, "0x2000", "32", "--interval", "20ms"];
  const text = startGuestmem([...words, "--count", "1"]);
  const json = startGuestmem([...words, "--json"]);
  let more = true;
  const write = async () => {
    using file = await Deno.open(path, { write: true });
    // Until both have had their first reading: one of them would not see what was there before.
    for (let value = 1; more; value = value % 250 + 1) {
      await file.seek(0x2010, Deno.SeekMode.Start);
      await file.write(Uint8Array.of(value, 0x1b, 0x41));
      await new Promise((done) => setTimeout(done, 30));
    }
  };
  const writing = write();
  try {
    const { code, out, err } = await text.end();
    assertEquals([code, err], [
      0,
      `guestmem: watching [0x2000, 0x2020), 32 bytes of file:${path}\n`,
    ]);
    const [head, before, after, marks] = out.trimEnd().split("\n");
    assert(/Z {2}[123] bytes? changed in 1 line$/.test(head), head);
    assert(/^- 00002010 {2}[0-9a-f]{2} /.test(before), before);
    assert(/^\+ 00002010 {2}[0-9a-f]{2} 1b 41 00 .*\|..A\.{13}\|$/.test(after), after);
    assert(/^ {12}\^\^/.test(marks), marks);
    const line = JSON.parse(await json.line(/"address":"0x2010"/));
    assertEquals([line.schema, line.length, line.more], ["guestmem/memory-change/1", 32, 0]);
  } finally {
    more = false;
    await writing;
  }
  await Deno.truncate(path, 4096);
  const cut = JSON.parse(await json.line(/"unreadable"/));
  const [change] = cut.changes;
  assertEquals([change.address, change.length], ["0x2000", 32]);
  assertEquals([change.before.state, change.after], ["bytes", { state: "unreadable", hex: null }]);
  assertEquals((await json.end("SIGINT")).code, 130);
});

Deno.test("a range without memory, a length out of bounds, a wrong name: errors that say so", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/ram`;
  await Deno.writeFile(path, new Uint8Array(4096));
  const cases: [string[], number, string][] = [
    [["0", "2M"], 2, "at most 1M can be watched at once"],
    [["0x100000", "16"], 1, "read of 16 bytes at 0x100000"],
    [["0", "0"], 2, "argument 'length'"],
    [["zero", "1"], 2, "argument 'address'"],
  ];
  for (const [words, code, text] of cases) {
    const run = await guestmem(["watch", "mem", `file:${path}`, ...words]);
    assertEquals([run.code, run.out], [code, ""], run.err);
    assertStringIncludes(run.err, text);
  }
  const still = await guestmem(["watch", "mem", `file:${path}`, "0", "4K", "--for", "200ms"]);
  assertEquals([still.code, still.out], [0, ""]);
  const help = await guestmem(["help", "watch", "mem"]);
  assertStringIncludes(help.out, "Usage: guestmem watch mem");
});
