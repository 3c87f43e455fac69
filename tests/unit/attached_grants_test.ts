/** Grant table use in the metrics of a Xen domain, on a host that can fail; and of others, none. */
import { assertEquals } from "@std/assert";
import {
  GNTTAB_GET_VERSION,
  GNTTAB_QUERY_SIZE,
  PRIVCMD_HYPERCALL,
  PRIVCMD_MMAP_RESOURCE,
  SUBOP,
} from "../../ffi/xen/layout.ts";
import { parseTarget } from "../../lib/guest/target.ts";
import { AttachedGrants } from "../../lib/metrics/attached_grants.ts";
import { Exporter } from "../../lib/metrics/exporter.ts";
import { fakeXen, type FakeXenMemory } from "../support/fake_xen.ts";

const target = (text: string) => ({ target: parseTarget(text, () => true) });

interface Table {
  readonly version: 1 | 2;
  /** Of at most 4. */
  frames: number;
  /** errno of mapping it. */
  failing: string | null;
  gone: boolean;
}

/** A domain with a table whose entries 0, 8 and the last one are in use. */
function fakeTable(table: Table) {
  const mapped: number[] = [];
  const fake = fakeXen((name, memory) => {
    if (name === "PRIVCMD_HYPERCALL") return answer(table, memory);
    if (table.failing !== null) return table.failing;
    const { argument, at } = memory;
    const frames = Number(argument.getBigUint64(PRIVCMD_MMAP_RESOURCE.num, true));
    mapped.push(frames);
    const size = table.version === 2 ? 16 : 8;
    const bytes = at(argument.getBigUint64(PRIVCMD_MMAP_RESOURCE.addr, true));
    for (const ref of [0, 8, frames * 4096 / size - 1]) bytes.setUint16(ref * size, 1, true);
    return 0;
  });
  return { fake, mapped };
}

function answer(
  { version, frames, gone }: Table,
  { argument, at }: FakeXenMemory,
): number {
  const arg = (n: number) => argument.getBigUint64(PRIVCMD_HYPERCALL.arg + 8 * n, true);
  const page = at(arg(1));
  if (arg(0) === BigInt(SUBOP.GNTTABOP_get_version)) {
    page.setUint32(GNTTAB_GET_VERSION.version, version, true);
  } else {
    page.setUint32(GNTTAB_QUERY_SIZE.nr_frames, frames, true);
    page.setUint32(GNTTAB_QUERY_SIZE.max_nr_frames, 4, true);
    page.setInt16(GNTTAB_QUERY_SIZE.status, gone ? -2 : 0, true);
  }
  return 0;
}

Deno.test("the table of the domain is counted anew each time, by the size that it has then", () => {
  for (const [version, limit] of [[1, 2048], [2, 1024]] as const) {
    const table: Table = { version, frames: 1, failing: null, gone: false };
    const { fake, mapped } = fakeTable(table);
    {
      using grants = new AttachedGrants(fake.sys, () => {});
      assertEquals(grants.use(), null);
      grants.attach(target("xen:3/vbd-51712:0"));
      assertEquals(grants.use(), { frames: 1, maxFrames: 4, used: 3, limit });
      table.frames = 3;
      assertEquals(grants.use(), { frames: 3, maxFrames: 4, used: 3, limit });
      table.frames = 0;
      assertEquals(grants.use(), { frames: 0, maxFrames: 4, used: 0, limit });
    }
    // Never a frame more than there was: that would make the table grow.
    assertEquals(mapped, [1, 3]);
    assertEquals([fake.mapped.size, fake.open.size], [0, 0]);
  }
});

Deno.test("a read that fails is no value and one line, and the next one is tried", () => {
  const table: Table = { version: 1, frames: 1, failing: "ENOMEM", gone: false };
  const { fake } = fakeTable(table);
  const lines: string[] = [];
  {
    using grants = new AttachedGrants(fake.sys, (line) => lines.push(line));
    grants.attach(target("xen:3"));
    assertEquals([grants.use(), grants.use()], [null, null]);
    assertEquals(lines.length, 1);
    assertEquals(/^grant table not read: .*ENOMEM/.test(lines[0]), true, lines[0]);
    table.failing = null;
    assertEquals(grants.use()?.used, 3);
    table.gone = true;
    assertEquals(grants.use(), null);
    assertEquals(/no domain 3/.test(lines[1]), true, lines[1]);
  }
  assertEquals([fake.mapped.size, fake.open.size], [0, 0]);
});

Deno.test("no Xen here: no value, and no throw", () => {
  const { sys } = fakeXen(() => 0, { absent: true });
  const lines: string[] = [];
  using grants = new AttachedGrants(sys, (line) => lines.push(line));
  grants.attach(target("xen:3"));
  assertEquals([grants.use(), lines.length], [null, 1]);
});

Deno.test("other targets have no grant table: the host is asked nothing", () => {
  const { sys, log } = fakeXen(() => 0);
  using grants = new AttachedGrants(sys, () => {});
  for (const text of ["qemu:4242", "proc:1/net0", "vhost:/tmp/xen:3", "m1@xen:3"]) {
    grants.attach({ ...target("file:/x"), origin: text });
    assertEquals(grants.use(), null);
  }
  assertEquals(log, []);
  // What a session holds is what was mapped there.
  grants.attach({ ...target("m1@work"), origin: "xen:3" });
  grants.use();
  assertEquals(log.length > 0, true);
});

Deno.test("values go when the table can not be read any more", async () => {
  const exporter = new Exporter();
  const report = { time: 0, guest: { up: true, note: "" }, queues: [], unreadable: 0 };
  const values = async () =>
    (await exporter.text()).split("\n").filter((line) => line.startsWith("guestmem_grant"));
  exporter.update("xen:3", report, { frames: 2, maxFrames: 64, used: 280, limit: 32768 });
  assertEquals(await values(), [
    'guestmem_grant_frames{guest="xen:3"} 2',
    'guestmem_grant_frames_limit{guest="xen:3"} 64',
    'guestmem_grant_entries{guest="xen:3"} 280',
    'guestmem_grant_entries_limit{guest="xen:3"} 32768',
  ]);
  exporter.update("xen:3", report, null);
  assertEquals(await values(), []);
});
