/**
 * Runs in dom0: an HVM guest whose disk is QEMU's virtio-blk, and a guest whose grant table is of
 * version 2.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { openQueue } from "../../../../lib/guest/open_queue.ts";
import { openTarget } from "../../../../lib/source/attach.ts";
import { openXenHost } from "../../../../lib/xen/host.ts";
import { readGrantTable } from "../../../../lib/xen/read_grants.ts";
import { awaitConsole, HERE, run, sys, textOf } from "./xl.ts";

const DISK = "/tmp/disk.img";

async function create(config: string): Promise<number> {
  await run("xl", "create", "-q", config);
  const name = /name = "(.*)"/.exec(await Deno.readTextFile(config))![1];
  return Number(await run("xl", "domid", name));
}

Deno.test("a grant table of version 2, with its state in status frames", async () => {
  const text = await Deno.readTextFile(`${HERE}pv.cfg`);
  const config = "/tmp/v2.cfg";
  await Deno.writeTextFile(
    config,
    text.replace(/^(disk|vif) = .*$/gm, "").replace("quiet", "quiet grant_table.version=2"),
  );
  const domain = await create(config);
  const console = await awaitConsole("/var/log/xen/guest-pv1.log", /SHARER ready/);
  const ref = Number(/GRANT rw ref=(\d+)/.exec(console)![1]);
  using host = openXenHost(sys, false);
  const before = readGrantTable(host, domain);
  assertEquals(before.version, 2);
  const entry = (table: typeof before) => table.entries.find((one) => one.ref === ref);
  assertEquals([entry(before)?.type, entry(before)?.mappedBy], ["access", null]);
  using _grants = host.gntdev().mapGrants(domain, [ref]);
  assertEquals(entry(readGrantTable(host, domain))?.mappedBy, 0);
  await run("xl", "destroy", "pv1");
});

Deno.test("an HVM guest's virtio-blk: its ring through foreign mapping", async () => {
  await Deno.writeFile(DISK, new Uint8Array(4 << 20));
  const domain = await create(`${HERE}hvm.cfg`);
  await awaitConsole("/tmp/hvm.log", /SHARER ready/, 900);
  await using attachment = await openTarget(`xen:${domain}`);
  const device = attachment.devices.find(({ type, queues }) => type === 2 && queues[0]?.ring);
  if (device === undefined) {
    throw new Error(JSON.stringify(attachment.devices.map(({ name, note }) => [name, note])));
  }
  const [queue] = device.queues;
  const indices = openQueue(attachment, queue)!.indices()!;
  assert(indices.used.index > 0 && indices.inFlight === 0, JSON.stringify(indices));
  const disk = await Deno.readFile(DISK);
  assertEquals(textOf(disk.subarray(8 * 512, 9 * 512)), "sector eight, by the guest\n");
  // The driver has freed those chains since, but their descriptors still name its memory: they stand in
  // the ring itself, as tables of their own would be something else by now.
  const recent = openQueue(attachment, queue)!.snapshot({ chains: "recent", recentCount: 4 });
  const statuses = Array.from(
    { length: recent.chainCount },
    (_, n) => recent.chain(n).descriptors[0].status,
  );
  assertEquals([statuses, recent.findings], [["ok", "ok", "ok", "ok"], []]);
  await run("xl", "destroy", "hvm1");
});
