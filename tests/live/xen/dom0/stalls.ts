/**
 * Runs in dom0: shared rings that really stand still, and a grant table that really fills.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { findGuests, openTarget } from "../../../../lib/source/attach.ts";
import { guestmem, guestmemUntil, until, xen } from "./guestmem.ts";
import { pv, run, shared, sys } from "./guests.ts";

/** Stops a daemon of dom0 while something is looked at. */
async function stopped(pidFile: string, look: () => Promise<void>): Promise<void> {
  const pid = Number(await Deno.readTextFile(pidFile));
  Deno.kill(pid, "SIGSTOP");
  try {
    await look();
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
}

Deno.test("a console whose daemon is stopped is not consumed; with the daemon it is idle", async () => {
  const { port } = shared.get(pv)!;
  const words = ["diagnose", xen(pv, "/console:0"), "--for", "300ms"];
  await stopped("/run/xen/xenconsoled.pid", async () => {
    // The guest prints a line for the event.
    await guestmem("kick", xen(pv, `/port-${port}`));
    await until(async () => !/idle/.test((await guestmem(...words)).text));
    const { text, code } = await guestmem(...words, "--check");
    assertMatch(text, /^device not consuming +device/m);
    assertEquals(code, 3);
    const ring = await guestmem("dump", "ring", xen(pv, "/console:0"));
    assertMatch(ring.text, /not taken yet: [1-9]/);
  });
  await until(async () => /idle|moving/.test((await guestmem(...words)).text));
});

Deno.test("a xenstored that is stopped is silent, and said to be", async () => {
  await stopped("/run/xen/xenstored.pid", async () => {
    const { problems } = await findGuests({ sys });
    const problem = problems.find(({ scheme }) => scheme === "xen");
    assertMatch(problem?.text ?? "", /is silent: waited 5000 ms for it to answer DIRECTORY/);
  });
  assertEquals((await findGuests({ sys })).problems.filter(({ scheme }) => scheme === "xen"), []);
});

/** 202 * 256 + 16: xvdb. */
const SLOW_DISK = "/vbd-51728:0";

/** Makes a disk of the device mapper that keeps every request until it is resumed. */
async function suspendedDisk(): Promise<string> {
  await run("insmod", "/lib/modules/dm-mod.ko");
  await run("dmsetup", "create", "slow", "--noudevsync", "--table", "0 8192 linear /dev/ram1 0");
  await run("dmsetup", "suspend", "--noudevsync", "slow");
  return "/dev/dm-0"; // devtmpfs makes it; /dev/mapper is udev's
}

Deno.test("a disk that does not answer: the request is outstanding, its device stuck", async () => {
  const path = await suspendedDisk();
  const before = JSON.parse((await guestmem("dump", "grants", xen(pv), "--json")).text).used;
  // A few grants more than now: the alarm comes with the disk's ring and requests, and not before.
  const alarm = ((before + 1) * 100 / 32768 + 0.0001).toFixed(4);
  const lines: string[] = [];
  const stop = new AbortController();
  const watching = guestmemUntil(
    stop.signal,
    (line) => lines.push(line),
    ...["dump", "grants", xen(pv), "--watch", "--check"],
    ...["--interval", "200ms", "--alarm", alarm],
  );
  try {
    await run("xl", "block-attach", pv.name, `phy:${path},xvdb,r`);
    await until(() => Promise.resolve(lines.some((line) => line.includes("ALARM"))));
  } finally {
    stop.abort();
  }
  assertEquals((await watching).code, 3, lines.join("\n"));
  assert(lines.length >= 2 && !lines[0].includes("ALARM"), lines.join("\n"));

  await until(async () => await outstanding() > 0);
  const { text } = await guestmem("dump", "ring", xen(pv, SLOW_DISK));
  assertMatch(text, /outstanding +READ 4096 bytes at 0x0/);
  const stuck = await guestmem("diagnose", xen(pv, SLOW_DISK), "--for", "500ms");
  assertMatch(stuck.text, /^device not consuming +device/m);
});

Deno.test("a guest that is paused does not take its disk's answer", async () => {
  const slow = (verb: string) => run("dmsetup", verb, "--noudevsync", "slow");
  // The first answer of all: rsp_event stands where FRONT_RING_INIT set it.
  assertEquals(await answered(), 0);
  await pausedOverAnswer(slow);
  // The guest reads the disk's first page every second from now on.
  await until(async () => await answered() > 4);
  await slow("suspend");
  await until(async () => await outstanding() > 0);
  await pausedOverAnswer(slow);
});

/** Pauses the guest, answers what is outstanding, and lets the guest go on. */
async function pausedOverAnswer(slow: (verb: string) => Promise<string>): Promise<void> {
  await run("xl", "pause", pv.name);
  try {
    await slow("resume");
    await until(async () => await outstanding() === 0);
    const { text } = await guestmem("diagnose", xen(pv, SLOW_DISK), "--for", "300ms");
    assertMatch(text, /^driver not reaping +driver/m);
  } finally {
    await run("xl", "unpause", pv.name);
  }
  await until(async () => {
    const again = await guestmem("diagnose", xen(pv, SLOW_DISK), "--for", "200ms");
    return !again.text.includes("driver not reaping");
  });
}

/** Where the slow disk's ring stands; null while it has none. */
async function slowRing() {
  await using attachment = await openTarget(xen(pv, SLOW_DISK), { sys });
  const device = attachment.devices.find(({ name }) => SLOW_DISK.startsWith(`/${name}:`));
  return device?.queues[0]?.xen?.open?.().indices() ?? null;
}

/** Requests without an answer. */
async function outstanding(): Promise<number> {
  return (await slowRing())?.inFlight ?? -1;
}

/** Answers so far. */
async function answered(): Promise<number> {
  return (await slowRing())?.sides[1].producer ?? -1;
}
