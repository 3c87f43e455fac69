/** The operator's main job, word by word, on a real QEMU: find, map, dump, watch, kick. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { guestmem, startGuestmem } from "../support/cli.ts";
import { liveTest } from "../support/linux_guest.ts";
import { qemuMissing, startBootSector } from "../support/qemu.ts";

/** Runs a command that is to succeed, and gives its lines of JSON. */
// deno-lint-ignore no-explicit-any
async function json(...words: string[]): Promise<any[]> {
  const { code, out, err } = await guestmem([...words, "--json"]);
  assertEquals([code, err], [0, ""], words.join(" "));
  return out.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** The target of the guest's one queue, as `find` tells it. */
async function queueOf(pid: number): Promise<string> {
  const { out } = await guestmem(["find", "--plain"]);
  const rows = out.trimEnd().split("\n").map((line) => line.split("\t"));
  const own = rows.filter((row) => row.at(-1)?.startsWith(`qemu:${pid}`));
  assertEquals(own.length, 2, out);
  assertEquals([own[0][0], own[0][3], own[1][6]], ["qemu", "256M", "split 256"]);
  return own[1].at(-1) as string;
}

liveTest("find, dump ring, watch and kick a running QEMU", qemuMissing(), async () => {
  await using guest = await startBootSector();
  const target = await queueOf(guest.pid);
  // The boot sector reads its second sector for ever: one request, seen in the ring sooner or later.
  const [ring] = await json("dump", "ring", target, "--recent", "4");
  assertEquals([ring.schema, ring.format, ring.size, ring.findings], [
    "guestmem/ring/1",
    "split",
    256,
    [],
  ]);
  assert(ring.chains.length >= 4);
  // All have the same descriptors: what they say is the newest one's.
  const [newest, ...older] = ring.chains.toReversed();
  assertEquals([newest.request.type, newest.request.fields.sector], ["IN", "0x1"]);
  assertEquals(
    newest.descriptors.map(({ length }: { length: number }) => length),
    [16, 512, 1],
  );
  for (const { state, request, readable, descriptors } of older) {
    assertEquals([state, request, readable, descriptors], ["reused", null, null, []]);
  }
  const rows = await json("watch", target, "--interval", "300ms", "--count", "2");
  for (const row of rows) assert(row.usedRate > 10, JSON.stringify(row));
  const [kick] = await json("kick", target);
  assertEquals([kick.sent, kick.side], [true, "kick"]);
  assert(kick.after.used !== kick.before.used);
});

liveTest("memory of a running QEMU: table, bytes, search, sparse dump", qemuMissing(), async () => {
  await using guest = await startBootSector();
  const target = `qemu:${guest.pid}`;
  const [table] = await json("map", target);
  assertEquals([table.regions[0].address, table.regions[0].length], ["0x0", 256 << 20]);
  assert(table.regions.every(({ read }: { read: string }) => read === "ok"));
  const memory = await guestmem(["dump", "mem", target, "0x7c00", "32"]);
  assertEquals(
    memory.out,
    "00007c00  31 c0 8e d8 8e c0 8e d0  bc 00 7c b8 01 02 bb 00  |1.........|.....|\n" +
      "00007c10  80 b9 02 00 ba 80 00 cd  13 eb f0 00 00 00 00 00  |................|\n",
  );
  const found = await guestmem([
    "dump",
    "search",
    target,
    "--text",
    "guestmem boot sector",
    "--limit",
    "1",
  ]);
  assertEquals(found.out, "0x8000\n");
  const path = `${guest.directory}/ram`;
  const dump = await guestmem(["dump", "mem", target, "0", "256M", "--format", "raw", "-o", path]);
  assertEquals(dump.code, 0, dump.err);
  assertStringIncludes(dump.err, "never written left sparse");
  const { size, blocks } = await Deno.stat(path);
  assertEquals(size, 256 << 20);
  assert((blocks as number) * 512 < 64 << 20, `${blocks} blocks`);
});

liveTest("a QEMU that exits while it is watched ends watch with 4", qemuMissing(), async () => {
  await using guest = await startBootSector();
  const watch = startGuestmem(["watch", `qemu:${guest.pid}`, "--interval", "100ms", "--plain"]);
  await watch.line(/split 256/);
  await guest.kill();
  const { code, err } = await watch.end();
  assertEquals(code, 4, err);
  assertStringIncludes(err, "remedy: ");
});
