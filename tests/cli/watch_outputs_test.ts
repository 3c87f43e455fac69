/** What `watch` writes beside lines: packets into files, metrics for a time. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { guestmem, temporaryFolder } from "../support/cli.ts";
import { ownDemo } from "../support/demo.ts";

Deno.test("--for ends metrics, too", async () => {
  await using demo = await ownDemo();
  const run = await guestmem(["watch", demo.target, "--metrics", "0", "--for", "300ms"]);
  assertEquals([run.code, run.out], [0, ""], run.err);
  assertMatch(run.err, /^guestmem: serving http:\/\/127\.0\.0\.1:[0-9]+\/metrics\n$/);
});

Deno.test("--pcap writes where the runtime may not, for its owner only", async () => {
  await using demo = await ownDemo();
  await using dir = await temporaryFolder("/dev/shm");
  const file = `${dir.path}/net.pcapng`;
  const run = await guestmem(["watch", `${demo.target}/net0`, "--pcap", file, "--for", "500ms"]);
  assertEquals(run.code, 0, run.err);
  assertMatch(run.err, /: [1-9][0-9]* packets, /);
  const bytes = await Deno.readFile(file);
  assertEquals(new DataView(bytes.buffer).getUint32(0), 0x0a0d0d0a);
  assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
});

Deno.test("--pcap to a full device, or no folder, says so", async () => {
  await using demo = await ownDemo();
  const net = `${demo.target}/net0`;
  const full = await guestmem(["watch", net, "--pcap", "/dev/full", "--for", "5s"]);
  assertEquals(full.code, 1);
  assertMatch(full.err, /^guestmem: write \/dev\/full: .*ENOSPC.*\nremedy: make room/);
  const none = await guestmem(["watch", net, "--pcap", "/nowhere/x", "--for", "5s"]);
  assertEquals(none.code, 1);
  assertMatch(none.err, /^guestmem: open '\/nowhere\/x': ENOENT .*\nremedy: check the path/);
});

Deno.test("--pcap of a device without packets leaves an older capture alone", async () => {
  await using demo = await ownDemo();
  await using dir = await temporaryFolder();
  const file = `${dir.path}/old.pcapng`;
  await Deno.writeTextFile(file, "old");
  const run = await guestmem(["watch", `${demo.target}/blk0`, "--pcap", file, "--for", "5s"]);
  assertEquals(run.code, 4);
  assertStringIncludes(run.err, "no network queue with packets");
  assertEquals(await Deno.readTextFile(file), "old");
});
