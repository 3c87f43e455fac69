/** `find --carve` on a dump, and the layout that it leaves for the other verbs. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { arpPacket, blkHeader, carveMemory, SIZE, workRing } from "../support/carve_guest.ts";
import { guestmem, temporaryFolder } from "../support/cli.ts";
import { elfCore } from "../support/core_files.ts";
import { startDemoCommand } from "../support/demo_command.ts";

/** A dump of a guest with a disk, a network device and a console that says something nasty. */
async function writeDump(path: string): Promise<void> {
  const buffer = new ArrayBuffer(SIZE);
  const memory = carveMemory(undefined, buffer);
  const ring = (n: number) =>
    workRing(memory, { layout: 64, size: 64, descriptor: BigInt(n) * 0x100000n, eventIndex: true });
  const [disk, receive, console] = [ring(1), ring(2), ring(3)];
  const answer = new Uint8Array(513);
  for (let n = 1; n < 9; n++) disk.run({ out: blkHeader(0, n), room: [512, 1], answer });
  disk.post({ out: blkHeader(0, 4711), room: [512, 1] });
  for (let n = 0; n < 30; n++) receive.run({ room: [1536], answer: arpPacket(1) });
  for (let n = 0; n < 9; n++) console.run({ out: new TextEncoder().encode("login: ") });
  console.run({ out: new TextEncoder().encode("a\u202eb \u001b[2J tail") });
  const bytes = new Uint8Array(buffer);
  await Deno.writeFile(
    path,
    elfCore([
      { address: 0n, bytes: bytes.subarray(0, SIZE / 2) },
      { address: 1n << 32n, bytes: bytes.subarray(SIZE / 2) },
    ]),
  );
}

Deno.test("find --carve: rings of a dump, and dump ring by the layout that it wrote", async () => {
  await using folder = await temporaryFolder();
  const [dump, layout] = [`${folder.path}/vm.dump`, `${folder.path}/rings.json`];
  await writeDump(dump);
  const found = await guestmem(["find", "--carve", `core:${dump}`, "-o", layout]);
  assertEquals(found.code, 0, found.err);
  const lines = found.out.trimEnd().split("\n");
  assertEquals(lines.length, 4, found.out);
  assertMatch(
    lines[0],
    /^SCORE +SURE +RING +DEVICE +QUEUE +DESCRIPTORS +IN FLIGHT +REQUEST$/,
  );
  assertMatch(
    found.out,
    /certain +split 64 +blk0 +0 \(request0\) +0x100000 +1 +IN sector 4711, 512 bytes: pending/,
  );
  assertMatch(found.out, /split 64 +net0 +0 \(rx0\) +0x200000 +0 +rx 42 bytes: ARP/);
  assertStringIncludes(found.err, "guestmem: 3 rings in 16M");
  assertStringIncludes(found.err, `dump ring core:${dump}/`);
  // What the guest wrote can not act on a terminal.
  // deno-lint-ignore no-control-regex
  assertEquals(/[\u001b\u202e]/.test(found.out), false);
  assertEquals((await Deno.stat(layout)).mode! & 0o777, 0o600);

  const ring = await guestmem(
    ["dump", "ring", `core:${dump}/blk0:0`, "--layout", layout, "--json"],
  );
  assertEquals([ring.code, ring.err], [0, ""]);
  const { format, size, inFlight, chains } = JSON.parse(ring.out);
  assertEquals([format, size, inFlight], ["split", 64, 1]);
  assertEquals(chains[0].request.summary, "IN sector 4711, 512 bytes: pending");
  // Without the layout the dump says how to get one.
  const blind = await guestmem(["dump", "ring", `core:${dump}`]);
  assertEquals(blind.code, 1);
  assertStringIncludes(blind.err, "a dump does not say where its rings are");
  assertStringIncludes(blind.err, "find --carve");
});

Deno.test("find --carve: JSON, plain lines, and the least score", async () => {
  await using folder = await temporaryFolder();
  const dump = `${folder.path}/vm.dump`;
  await writeDump(dump);
  const json = JSON.parse((await guestmem(["find", "--carve", `core:${dump}`, "--json"])).out);
  assertEquals([json.schema, json.target, json.scanned], [
    "guestmem/carve/1",
    `core:${dump}`,
    SIZE,
  ]);
  assertEquals(json.rings.length, 3);
  const scores = json.rings.map(({ score }: { score: number }) => score);
  assertEquals(scores, scores.toSorted((a: number, b: number) => b - a));
  const disk = json.rings.find(({ device }: { device: { name: string } }) =>
    device.name === "blk0"
  );
  assertEquals([disk.descriptorArea, disk.queue.name, disk.knownAs, disk.sizeKnown], [
    "0x100000",
    "request0",
    null,
    true,
  ]);
  assert(disk.evidence.length > 3);

  const plain = await guestmem(["find", "--carve", `core:${dump}`, "--plain"]);
  const rows = plain.out.trimEnd().split("\n").map((line) => line.split("\t"));
  assertEquals(rows.map((row) => row.length), [10, 10, 10]);
  const none = await guestmem(
    ["find", "--carve", `core:${dump}`, "--plain", "--min-score", "0.999"],
  );
  assertEquals([none.code, none.out], [0, ""]);
  assertStringIncludes(none.err, "3 rings below --min-score not shown");
});

Deno.test("find --carve: the layout of a process's rings names its memory, and works as told", async () => {
  await using folder = await temporaryFolder();
  const layout = `${folder.path}/rings.json`;
  await using demo = await startDemoCommand();
  const found = await guestmem(["find", "--carve", demo.target, "-o", layout]);
  assertEquals(found.code, 0, found.err);
  const told = /try guestmem (dump ring \S+ --layout \S+)/.exec(found.err);
  const ring = await guestmem((told?.[1] ?? "").split(" "));
  assertEquals([ring.code, ring.err], [0, ""]);
  assertMatch(ring.out, /^proc:[0-9]+\/\S+ +virtio-/);
  assertStringIncludes(ring.out, " entries, features ");
});

Deno.test("find --carve: wrong use and a dump that is not there", async () => {
  const missing = await guestmem(["find", "--carve", "core:/no/such/dump"]);
  assertEquals(missing.code, 4);
  const alone = await guestmem(["find", "-o", "x.json"]);
  assertEquals(alone.code, 2);
  assertStringIncludes(alone.err, "--carve");
  const score = await guestmem(["find", "--carve", "core:x", "--min-score", "2"]);
  assertEquals(score.code, 2);
  assertStringIncludes(score.err, "Want a score from 0 to 1");
});
