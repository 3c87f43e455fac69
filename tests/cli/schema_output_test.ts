/**
 * Every command that prints JSON, and what it prints, against the schemas. The images are recorded
 * guests; what moves is the demo; what needs Xen is rendered from bytes made here.
 */
import { assertEquals } from "@std/assert";
import { grantsJson } from "../../cli/render/grants.ts";
import { xenRingJson } from "../../cli/render/xen_ring.ts";
import type { Device } from "../../lib/guest/guest.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { openXenRing } from "../../lib/ring/xen/ring.ts";
import { startSink } from "../../lib/tap/sink.ts";
import { decodeGrantTable, summarizeGrants } from "../../lib/xen/grant_table.ts";
import { type Run, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { guestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import { IMAGE_NAMES, writeImage } from "../support/images.ts";
import { memoryChangeJson } from "../../cli/render/memory_change.ts";
import { changesBetween, MemoryImage } from "../../lib/watch/memory.ts";
import { checkOutput, schemaNames, SEEN } from "../support/schemas.ts";
import { frontEnd } from "../support/vhost_front_end.ts";
import { connectPeer } from "../support/vhost_peer.ts";

/** Only a real Xen makes these: the live tests see them. */
const XEN_ONLY = ["guestmem/map-list/1", "guestmem/offer/1"];

/** Runs and checks; some JSON must have come, unless `none`. */
async function checked(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const run = await guestmem(args, { env });
  assertEquals(run.out.startsWith('{"schema":"guestmem/'), true, `${args.join(" ")}: ${run.err}`);
  checkOutput(run.out);
  return run;
}

Deno.test("rings of recorded images, well-formed and broken", async () => {
  await using folder = await temporaryFolder();
  // Each format, and each kind of fault once: the library's tests look at all of them.
  const names = IMAGE_NAMES.filter((name) => !/32768|region|shuffled/.test(name));
  for (const name of names.filter((_, index) => index % 3 === 0)) {
    const { raw, layout } = await writeImage(name, folder.path);
    const { code } = await checked([
      ...["dump", "ring", `file:${raw}`, "--layout", layout, "--json", "--recent", "2"],
    ]);
    assertEquals(code, 0, name);
    await Deno.remove(raw);
  }
});

Deno.test("everything about an image", async () => {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage("split_256_two_regions", folder.path);
  const [target, more] = [`file:${raw}`, ["--layout", layout, "--json"]];
  await checked(["map", target, ...more]);
  await checked(["map", target, ...more, "--no-verify"]);
  await checked(["dump", "table", target, ...more]);
  await checked(["dump", "config", target, ...more]);
  await checked(["dump", "mem", target, "0", "64K", ...more]);
  await checked(["dump", "mem", target, "0", "1T", ...more]);
  await checked(["dump", "search", target, "--bytes", "0100", "--limit", "5", ...more]);
  await checked(["diagnose", target, "--for", "20ms", ...more]);
  await checked(["watch", target, "--count", "1", "--interval", "20ms", ...more]);
  await checked(["kick", `${target}/ring0:0`, "--list", ...more]);
  await checked(["find", "--carve", target, "--json"]);
  await checked(["find", "--json"]);
  await checked(["doctor", "--json"]);
});

Deno.test("a guest that moves", async () => {
  const demo = startGuestmem(["demo", "--json"]);
  try {
    const line = await demo.line(/guestmem\/demo/);
    checkOutput(line);
    const { target } = JSON.parse(line);
    await checked(["find", "--json"]);
    await checked(["dump", "ring", target, "--json", "--recent", "4"]);
    await checked(["dump", "config", target, "--json"]);
    await checked(["diagnose", target, "--for", "50ms", "--json"]);
    await checked(["watch", target, "--count", "3", "--interval", "50ms", "--json"]);
    await checked(["kick", `${target}/blk0:0`, "--json"]);
    await checked(["kick", `${target}/blk0:0`, "--json", "--dry-run"]);
    await checked(["kick", `${target}/blk0:0`, "--json", "--count", "2", "--interval", "20ms"]);
    await checked(["kick", `${target}/blk0:0`, "--json", "--list"]);
    await checked(["find", "--carve", target, "--json"]);
  } finally {
    await demo.end("SIGINT");
  }
});

Deno.test("sessions", async () => {
  await using folder = await temporaryFolder();
  const env = { XDG_RUNTIME_DIR: folder.path };
  await Deno.writeFile(`${folder.path}/ram`, new Uint8Array(8192));
  const session = startGuestmem(["session", "start", "s", "--json"], { env });
  try {
    checkOutput(await session.line(/guestmem\/session/));
    await checked(["map", `file:${folder.path}/ram`, "--session", "s", "--json"], env);
    await checked(["session", "list", "--json"], env);
    await checked(["dump", "table", "m1@s", "--json"], env);
    await checked(["unmap", "m1@s", "--json"], env);
    await checked(["session", "stop", "s", "--json"], env);
  } finally {
    await session.end("SIGKILL");
  }
});

Deno.test("a tap, its events and its recording", async () => {
  await using folder = await temporaryFolder();
  const [listen, log] = [`${folder.path}/tap.sock`, `${folder.path}/log`];
  await using sink = startSink({ sys, listen: `${folder.path}/sink.sock` });
  const tap = startGuestmem(["tap", listen, sink.socket, "--json", "--log", log]);
  try {
    while (!exists(listen)) await new Promise((resolve) => setTimeout(resolve, 20));
    {
      using peer = connectPeer(listen);
      using guest = await frontEnd(peer, { queues: 2 });
      guest.add(0);
      await tap.line(/"event":"ready"/);
      await checked(["dump", "ring", `vhost:${listen}`, "--json"]);
      await checked(["find", "--json"]);
    }
    await tap.line(/"event":"close"/);
  } finally {
    const { out } = await tap.end("SIGINT");
    checkOutput(out);
  }
  checkOutput(await Deno.readTextFile(log));
});

Deno.test("an ivshmem server and its doorbells", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/s`;
  const server = startGuestmem(["ivshmem-server", path, "--size", "4K", "--json"]);
  try {
    await server.line(/"kind":"serving"/);
    const { out } = await guestmem(["find", "--json"]);
    const guests = JSON.parse(out).guests as { target: string; kind: string; state: string }[];
    const own = guests.find(({ target }) => target === `ivshmem:${path}`);
    assertEquals([own?.kind, own?.state], ["ivshmem", "serving"], "found before anybody joins");
    const watch = startGuestmem(["watch", `ivshmem:${path}`, "--json"]);
    await server.line(/"kind":"joined"/);
    try {
      await checked(["kick", `ivshmem:${path}/0:0`, "--json"]);
      await watch.line(/"kind":"interrupt"/);
    } finally {
      checkOutput((await watch.end("SIGINT")).out);
    }
  } finally {
    const { out } = await server.end("SIGINT");
    checkOutput(out);
  }
});

Deno.test("changes of memory", () => {
  const [before, after] = [new MemoryImage(0x1000n, 4), new MemoryImage(0x1000n, 4)];
  after.bytes[1] = 0x1b;
  after.states[3] = 2;
  const changes = [...changesBetween(before, after)];
  checkOutput(memoryChangeJson("file:x", { time: 0, elapsed: 20, before, after, changes }));
});

Deno.test("Xen's rings and grants", () => {
  const view = new DataView(new ArrayBuffer(4096));
  view.setUint32(0, 34, true);
  view.setUint32(8, 32, true);
  view.setUint8(64, 3);
  view.setUint8(65, 40);
  const pages = new BufferBacking(view.buffer);
  const queue = { index: 0, name: "ring", ring: null, note: "" };
  const device = { name: "vbd-51712", type: 2, queues: [queue] } as unknown as Device;
  for (const kind of ["blkif", "netif-tx", "console"] as const) {
    const xen = { kind, domain: 1, backend: 0, port: 4, place: "grant 8", open: null };
    const snapshot = openXenRing({ kind, abi: "x86_64-abi", pages }).snapshot();
    checkOutput(xenRingJson({ target: "xen:1/vbd-51712:0", device, queue, xen, snapshot }));
  }
  const shared = new DataView(new ArrayBuffer(4096));
  shared.setUint16(8 * 8, 5, true);
  shared.setUint32(8 * 8 + 4, 0xabc, true);
  const bytes = { version: 1, frames: 1, maxFrames: 4, status: null };
  const table = decodeGrantTable({ ...bytes, shared: new Uint8Array(shared.buffer) });
  for (const entries of [table.entries, null]) {
    checkOutput(grantsJson("xen:1", table, summarizeGrants(table), false, entries));
  }
});

Deno.test("all of that was every shape there is", () => {
  const left = schemaNames().filter((name) => !SEEN.has(name));
  assertEquals(left, XEN_ONLY);
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
