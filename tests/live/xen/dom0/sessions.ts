/**
 * Runs in dom0: sessions, each a process of its own, that hold grants, a domain's memory and rings.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SourceError } from "../../../../lib/errors.ts";
import { openXenHost } from "../../../../lib/xen/host.ts";
import { readGrantTable } from "../../../../lib/xen/read_grants.ts";
import { guestmem, started, until, xen } from "./guestmem.ts";
import { createPaused, pv, pvh, run, shared, sys, type XlGuest } from "./guests.ts";

const startSession = (name: string) =>
  started(`session ${name}: process`, "session", "start", name);

/** Whether dom0 has a grant of the guest mapped. */
function isMapped({ domain }: XlGuest, ref: number): boolean {
  using host = openXenHost(sys, false);
  return readGrantTable(host, domain).entries.find((entry) => entry.ref === ref)?.mappedBy === 0;
}

const page = (number: number) => `0x${(BigInt(number) << 12n).toString(16)}`;
const grant = (ref: number) => `0x${((1n << 63n) | (BigInt(ref) << 12n)).toString(16)}`;

Deno.test("a session holds a list of grants, and says what of it can not be had", async () => {
  const { writable } = shared.get(pv)!;
  const session = await startSession("s1");
  const list = `${writable[0]}-${writable[1]},1000`;
  const mapped = await guestmem("map", xen(pv), "--grants", list, "--session", "s1");
  assertEquals(mapped.code, 1);
  assertMatch(mapped.text, /guestmem: grant 1000 is not mapped: free: nothing is granted by it/);
  assertMatch(mapped.text, /^m1@s1$/m);
  assert(isMapped(pv, writable[0]) && isMapped(pv, writable[1]));
  const held = (await guestmem("session", "list", "--plain")).text;
  assertMatch(held, new RegExp(`\tm1@s1\tmapping\tro\t${xen(pv)} grants ${list}\t`));
  const table = (await guestmem("dump", "table", "m1@s1")).text;
  assertMatch(table, new RegExp(`grants ${writable[0]}-${writable[1]}`));
  const { text } = await guestmem("dump", "mem", "m1@s1", grant(writable[1]), "32");
  assertMatch(text, /guestmem rw page/);
  await assertRejects(
    () => guestmem("map", xen(pv), "--grants", "1000", "--session", "s1"),
    SourceError,
    "none of these grants of domain 1 can be mapped: grant 1000 is not mapped: free",
  );
  await guestmem("unmap", "m1@s1");
  assert(!isMapped(pv, writable[0]) && !isMapped(pv, writable[1]));
  await guestmem("map", xen(pv), "--grants", `${writable[0]}`, "--session", "s1");
  assert(isMapped(pv, writable[0]));
  await guestmem("session", "stop", "s1");
  assertEquals((await session.status).code, 0);
  assert(!isMapped(pv, writable[0]));
});

Deno.test("a session holds a domain: memory, rings and kicks by the session's name", async () => {
  const session = await startSession("s2");
  for (const guest of [pv, pvh]) {
    const kept = (await guestmem("map", xen(guest), "--session", "s2")).text;
    const { plainFrame, port } = shared.get(guest)!;
    const mem = await guestmem("dump", "mem", kept, page(plainFrame), "32");
    assertMatch(mem.text, /guestmem plain m/);
    const ring = await guestmem("dump", "ring", `${kept}/vbd-51712:0`);
    assertMatch(ring.text, /blkif/);
    assertMatch((await guestmem("dump", "ring", `${kept}/console:0`)).text, /SHARER ready/);
    assertMatch((await guestmem("diagnose", `${kept}/vbd-51712`, "--for", "200ms")).text, /^idle/m);
    assert(port > 0);
  }
  const list = (await guestmem("session", "list", "--plain")).text;
  assertMatch(list, new RegExp(`m1@s2.*${xen(pv)}[^]*m2@s2.*${xen(pvh)}`));
  await guestmem("session", "stop", "s2");
  assertEquals((await session.status).code, 0);
});

Deno.test("a script holds domains and grants in a session of its own", async () => {
  const { writable } = shared.get(pv)!;
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(
    file,
    `let m = map ${xen(pv)}
let r = dump ring $m/vbd-51712:0 --json
expect $r.kind == blkif
let g = map ${xen(pv)} --grants ${writable[0]}
dump mem $g ${grant(writable[0])} 32
unmap $g
print "size: $r.size"
`,
  );
  const { text, code } = await guestmem("run", file);
  assertEquals(code, 0, text);
  assertMatch(text, /guestmem rw page/);
  assertMatch(text, /size: 32/);
  assert(!isMapped(pv, writable[0]));
});

/** A paused domain that nobody needs. */
const shortLived = (name: string) =>
  createPaused("pvh", name, `name="${name}"`, "disk=[]", "vif=[]");

/** Waits until no zombie is left. */
async function noZombie(): Promise<void> {
  await until(async () => !(await run("xl", "list")).includes("(null)"));
}

Deno.test("kill -9 of a session that reads a domain, then destroy: no zombie", async () => {
  const guest = await shortLived("killed1");
  const session = await startSession("s3");
  await guestmem("map", xen(guest), "--session", "s3");
  // The session maps what is read, and keeps it for the next read.
  assertMatch((await guestmem("dump", "mem", "m1@s3", "0x1000000", "16")).text, /1000000/);
  session.kill("SIGKILL");
  assertEquals((await session.status).code, 137);
  await run("xl", "destroy", guest.name);
  await noZombie();
  const error = await assertRejects(() => guestmem("dump", "mem", "m1@s3", "0", "16"), SourceError);
  assertEquals(error.kind, "not-found");
  assertMatch((await guestmem("session", "list")).text, /^s3 +stale/m);
});

Deno.test("a domain that is destroyed under a session is a zombie until the session stops", async () => {
  const guest = await shortLived("held1");
  const session = await startSession("s3");
  await guestmem("map", xen(guest), "--session", "s3");
  const read = () => guestmem("dump", "mem", "m1@s3", "0x1000000", "16");
  const before = (await read()).text;
  await run("xl", "destroy", guest.name);
  assertMatch(await run("xl", "list"), /\(null\)/);
  assertEquals((await read()).text, before, "what is mapped can still be read");
  await guestmem("session", "stop", "s3");
  assertEquals((await session.status).code, 0);
  await noZombie();
});
