/**
 * What travels in the rings of a real Linux guest, decoded, against what the guest was told to do.
 * Devices are slowed down from outside, so that requests stay with them long enough to be read.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { chainBytes } from "../../lib/device/decode_chain.ts";
import type { DecodedRequest } from "../../lib/device/decoder.ts";
import { isReadable, reportRing, type RingReport, typeOf } from "../../lib/guest/ring_report.ts";
import type { DescriptorChain, SnapshotOptions } from "../../lib/ring/snapshot.ts";
import type { Attachment } from "../../lib/source/source.ts";
import {
  type GuestOptions,
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";
import { attachTo, present } from "../support/qemu_target.ts";

const missing = await linuxGuestMissing();

/** A port that nobody reads, packets that wait half a second, little entropy. */
const SLOW = [
  ...["-chardev", "socket,id=slow,path=$DIR/slow.sock,server=on,wait=off"],
  ...["-device", "virtserialport,chardev=slow,name=slow"],
  ...["-global", "virtio-net-device.tx=timer", "-global", "virtio-net-device.x-txtimer=500000000"],
  ...["-global", "virtio-rng-device.max-bytes=1024", "-global", "virtio-rng-device.period=60000"],
];

interface Seen {
  readonly chain: DescriptorChain;
  readonly request: DecodedRequest;
}

/** One reading of a queue by name, such as `net0:tx0`. */
async function report(
  guest: Attachment,
  place: string,
  options: SnapshotOptions = {},
): Promise<RingReport> {
  const [name, queueName] = place.split(":");
  const device = present(guest.devices.find((one) => one.name === name));
  const queue = present(device.queues.find((one) => one.name === queueName));
  const selected = { device, queue, target: place };
  if (!isReadable(selected)) throw new Error(`${place}: ${queue.note}`);
  return reportRing(guest.memory, selected, await typeOf(device), options);
}

/** Chains of a reading with their requests; no ring of a sound guest has findings. */
function requests({ snapshot, request, target }: RingReport): Seen[] {
  if (!snapshot.raced) assertEquals(snapshot.findings, [], target);
  return Array.from({ length: snapshot.chainCount }, (_, n) => {
    const chain = snapshot.chain(n);
    return { chain, request: present(request(chain)) };
  });
}

/** Looks at a queue until `test` accepts what is in it; throws with what was seen last. */
async function eventually(
  guest: Attachment,
  place: string,
  test: (seen: Seen[]) => boolean,
  options: SnapshotOptions = {},
): Promise<Seen[]> {
  const end = performance.now() + 15_000;
  for (;;) {
    await guest.refresh();
    const seen = requests(await report(guest, place, options));
    if (test(seen)) return seen;
    if (performance.now() > end) {
      const last = seen.slice(0, 4).map(({ request }) => request.summary).join("; ");
      const { available, used, inFlight } = (await report(guest, place, options)).snapshot;
      const where = JSON.stringify({ available, used, inFlight });
      throw new Error(`${place}: ${seen.length} requests: ${last} ${where}`);
    }
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Sets a drive's requests per second; 0 lifts the limit. */
async function throttle(guest: Attachment, device: string, iops: number): Promise<void> {
  const none = { bps: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0 };
  await present(guest.monitor).execute("block_set_io_throttle", { device, iops, ...none });
}

function background(guest: LinuxGuest, command: string): Promise<unknown> {
  return guest.run(`(${command}) > /dev/null 2>&1 &`);
}

/** Reads of page `n` of a disk: sector 8n, and `count` pages in one request. */
function readPage(disk: string, page: number): string {
  return `dd if=/dev/${disk} of=/dev/null bs=4096 skip=${page} count=1 iflag=direct`;
}

async function checkBlk(guest: LinuxGuest, live: Attachment): Promise<void> {
  await throttle(live, "blk", 1);
  const pages = [77, 78, 79, 80];
  await background(guest, pages.map((page) => `${readPage("vda", page)} &`).join(" "));
  const wanted = pages.map((page) => `IN sector ${page * 8}, 4096 bytes: pending`);
  const seen = await eventually(
    live,
    "blk0:request0",
    (seen) => seen.some(({ request }) => wanted.includes(request.summary)),
  );
  for (const { request, chain } of seen) {
    assert(wanted.includes(request.summary), request.summary);
    assertEquals([chain.readable, chain.writable, request.notes], [16, 4097, []]);
  }
  await throttle(live, "blk", 0);
  await eventually(live, "blk0:request0", (seen) => seen.length === 0);
  // What is written travels in the request: sector and content are those of the command.
  await throttle(live, "blk", 1);
  const places = [100, 101, 102, 103];
  const write = (page: number) =>
    `yes 'guestmem written page' | head -c 4096 | dd of=/dev/vda bs=4096 seek=${page} oflag=direct`;
  await background(guest, places.map((page) => `${write(page)} &`).join(" "));
  const [first] = await eventually(
    live,
    "blk0:request0",
    (seen) => seen.some(({ request }) => request.type === "OUT"),
  );
  const outs = places.map((page) => `OUT sector ${page * 8}, 4096 bytes: pending`);
  assert(outs.includes(first.request.summary), first.request.summary);
  const data = chainBytes(first.chain, live.memory).readRequest(16, 44);
  assertEquals(new TextDecoder().decode(data), "guestmem written page\nguestmem written page\n");
  await throttle(live, "blk", 0);
  await eventually(live, "blk0:request0", (seen) => seen.length === 0);
  const image = Deno.readFileSync(guest.diskImage).subarray(100 * 4096, 104 * 4096);
  const text = new TextDecoder().decode(image);
  assertEquals(text, "guestmem written page\n".repeat(187).slice(0, 4096).repeat(4));
}

async function checkScsi(guest: LinuxGuest, live: Attachment): Promise<void> {
  await throttle(live, "scsi", 1);
  const pages = [33, 34, 35, 36];
  await background(guest, pages.map((page) => `${readPage("sda", page)} &`).join(" "));
  const wanted = pages.map((page) =>
    `READ(10) lba ${page * 8} blocks 8 on target 0 lun 0 4096 bytes in: pending`
  );
  const seen = await eventually(
    live,
    "scsi0:request0",
    (seen) => seen.some(({ request }) => wanted.includes(request.summary)),
  );
  for (const { request } of seen) assert(wanted.includes(request.summary), request.summary);
  await throttle(live, "scsi", 0);
  const events = requests(await report(live, "scsi0:event"));
  assertEquals(events.map(({ request }) => request.summary), [
    ...Array.from({ length: 8 }, () => "event buffer of 16 bytes"),
  ]);
}

async function checkNet(guest: LinuxGuest, live: Attachment, packed: boolean): Promise<void> {
  await guest.run("ping -c 1 -W 3 10.0.2.2");
  await background(guest, "ping -c 4 -W 1 -s 200 10.0.2.2");
  const isPing = ({ request }: Seen) => request.summary.includes("ICMP echo request");
  const sent = present(
    (await eventually(live, "net0:tx0", (seen) => seen.some(isPing))).find(isPing),
  );
  // 200 bytes of payload, ICMP 8, IPv4 20, Ethernet 14.
  assertMatch(
    sent.request.summary,
    /^tx 242 bytes: IPv4 10\.0\.2\.15 > 10\.0\.2\.2 ICMP echo request id \d+ seq \d+/,
  );
  assertEquals(sent.request.notes, []);
  const posted = requests(await report(live, "net0:rx0"));
  assert(posted.length > 200, `${posted.length} buffers`);
  // Linux makes them as large as the packets that it has seen.
  for (const { request } of posted) {
    assertMatch(request.summary, /^receive buffer of \d{4} bytes$/);
  }
  if (packed) return; // A packed ring does not keep what went back.
  const past = await eventually(
    live,
    "net0:rx0",
    (seen) => seen.some(({ request }) => request.summary.includes("ICMP echo reply")),
    { chains: "recent", recentCount: 64 },
  );
  const replies = past.map(({ request }) => request.summary)
    .filter((text) => text.includes("ICMP echo reply"));
  assertMatch(replies[0], /^rx \d+ bytes: IPv4 10\.0\.2\.2 > 10\.0\.2\.15 ICMP echo reply id \d+/);
}

async function checkConsole(guest: LinuxGuest, live: Attachment): Promise<void> {
  // A client that does not read: once the socket is full, the port is.
  using _ = await Deno.connect({ transport: "unix", path: `${guest.directory}/slow.sock` });
  await background(guest, "yes 'guestmem slow line' | head -c 2000000 > $(ls /dev/vport*p1)");
  const [sent] = await eventually(
    live,
    "serial0:tx1",
    (seen) => seen.some(({ request }) => request.type === "tx"),
  );
  assertMatch(sent.request.summary, /^tx port 1, \d+ bytes: "/);
  const text = new TextDecoder().decode(
    chainBytes(sent.chain, live.memory).readRequest(0, Math.min(sent.chain.readable, 400)),
  );
  assert(text.includes("\nguestmem slow line\nguestmem slow line\n"), JSON.stringify(text));
  const posted = requests(await report(live, "serial0:rx0"));
  for (const { request } of posted) assertEquals(request.summary, "receive buffer of 4096 bytes");
}

async function checkRng(guest: LinuxGuest, live: Attachment): Promise<void> {
  await background(guest, "dd if=/dev/hwrng of=/dev/null bs=64 count=64");
  const seen = await eventually(live, "rng0:request", (seen) => seen.length > 0);
  assertMatch(seen[0].request.summary, /^wants \d+ bytes: pending$/);
}

async function checkBalloon(guest: LinuxGuest, live: Attachment, packed: boolean): Promise<void> {
  const [stats] = requests(await report(live, "balloon0:stats"));
  const { text } = await guest.run("grep MemTotal /proc/meminfo");
  const kilobytes = Number(text.match(/(\d+) kB/)?.[1]);
  const told = stats.request.fields.stats as Record<string, number>;
  assertEquals(told.MEMTOT, kilobytes * 1024);
  assert(told.MEMFREE > 0 && told.MEMFREE < told.MEMTOT);
  if (packed) return;
  await present(live.monitor).execute("balloon", { value: 200 << 20 });
  const [inflated] = (await eventually(
    live,
    "balloon0:inflate",
    (seen) => seen.some(({ request }) => request.type === "inflate"),
    { chains: "recent", recentCount: 1 },
  )).slice(-1);
  assertMatch(inflated.request.summary, /^inflate \d+ pages from 0x[0-9a-f]+$/);
  const pages = inflated.request.fields.pages as string[];
  for (const page of pages) assertEquals(live.memory.status(BigInt(page), 4096n), "ok", page);
}

const VARIANTS: { name: string; options: GuestOptions }[] = [
  { name: "split, event index, indirect", options: {} },
  { name: "split, neither", options: { eventIdx: false, indirect: false } },
  { name: "packed, event index, indirect", options: { packed: true } },
  { name: "packed, neither", options: { packed: true, eventIdx: false, indirect: false } },
];

for (const { name, options } of VARIANTS) {
  liveTest(`Linux, ${name}: requests are those that the guest made`, missing, async () => {
    await using guest = await startLinuxGuest({ ...options, traffic: [], extra: SLOW });
    await using live = await attachTo(guest.pid);
    for (const check of [checkBlk, checkScsi, checkNet, checkConsole, checkRng, checkBalloon]) {
      const start = performance.now();
      await check(guest, live, options.packed ?? false);
      console.log(`${name}: ${check.name} ${(performance.now() - start).toFixed(0)} ms`);
    }
  });
}
