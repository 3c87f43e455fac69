/** Grant tables of both versions, as bytes. */
import { assertEquals } from "@std/assert";
import {
  decodeGrantTable,
  grantedRuns,
  type GrantTableBytes,
  summarizeGrants,
} from "../../lib/xen/grant_table.ts";
import { grantFaultText } from "../../lib/xen/listed_frames.ts";
import { grantAddress } from "../../lib/xen/granted_memory.ts";

function v1(entries: Record<number, [flags: number, domain: number, frame: number]>) {
  const view = new DataView(new ArrayBuffer(4096));
  for (const [ref, [flags, domain, frame]] of Object.entries(entries)) {
    view.setUint16(Number(ref) * 8, flags, true);
    view.setUint16(Number(ref) * 8 + 2, domain, true);
    view.setUint32(Number(ref) * 8 + 4, frame, true);
  }
  const bytes: GrantTableBytes = {
    ...{ version: 1, frames: 1, maxFrames: 4, status: null },
    shared: new Uint8Array(view.buffer),
  };
  return decodeGrantTable(bytes);
}

Deno.test("version 1: type, flags by name, who has it mapped", () => {
  const table = v1({ 0: [0x19, 0, 0xabc], 8: [5, 0, 1], 9: [2 | 4 | 8, 3, 2], 10: [0x8, 4, 0] });
  assertEquals(
    table.entries.map(({ ref, type, flags, domain, mappedBy }) => [
      ...[ref, type, flags.join(), domain, mappedBy],
    ]),
    [
      [0, "access", "reading,writing", 0, 0],
      [8, "access", "readonly", 0, null],
      [9, "transfer", "transfer_committed,transfer_completed", 3, null],
    ],
  );
  assertEquals([table.entries[0].frame, table.capacity], [0xabcn, 512]);
});

Deno.test("version 2: three forms, and the state in words of its own", () => {
  const view = new DataView(new ArrayBuffer(4096));
  const status = new Uint8Array(4096);
  view.setUint16(16 * 1, 1, true);
  view.setBigUint64(16 * 1 + 8, 0x1_2345_6789n, true);
  view.setUint16(16 * 2, 0x101, true);
  view.setUint16(16 * 2 + 4, 100, true);
  view.setUint16(16 * 2 + 6, 200, true);
  view.setUint16(16 * 3, 3, true);
  view.setUint16(16 * 3 + 2, 6, true);
  view.setUint16(16 * 3 + 4, 9, true);
  view.setUint32(16 * 3 + 8, 77, true);
  status[2] = 0x8;
  const table = decodeGrantTable({
    ...{ version: 2, frames: 1, maxFrames: 1, shared: new Uint8Array(view.buffer), status },
  });
  const [full, part, through] = table.entries;
  assertEquals([full.frame, full.mappedBy, full.flags], [0x1_2345_6789n, 0, ["reading"]]);
  assertEquals([part.part, part.flags], [{ offset: 100, length: 200 }, ["sub_page"]]);
  assertEquals([through.type, through.through, through.frame], [
    "transitive",
    { domain: 9, ref: 77 },
    null,
  ]);
  assertEquals(summarizeGrants(table).limit, 256);
});

Deno.test("the summary counts against the limit, not against what the table has now", () => {
  const table = v1({ 8: [1, 0, 1], 9: [0x19, 0, 1], 10: [1, 7, 1] });
  assertEquals(summarizeGrants(table), {
    ...{ used: 3, mapped: 1, capacity: 512, frames: 1, maxFrames: 4, limit: 2048, fill: 3 / 2048 },
    byDomain: [{ domain: 0, used: 2 }, { domain: 7, used: 1 }],
  });
});

Deno.test("runs are of neighbours with the same rights", () => {
  const table = v1({
    ...{ 8: [1, 0, 1], 9: [1, 0, 1], 10: [5, 0, 1], 11: [1, 7, 1], 12: [1, 0, 1] },
    ...{ 13: [2, 0, 1] },
  });
  assertEquals(grantedRuns(table, 0), [
    { first: 8, count: 2, readOnly: false },
    { first: 10, count: 1, readOnly: true },
    { first: 12, count: 1, readOnly: false },
  ]);
});

Deno.test("why a reference can not be mapped", () => {
  const table = v1({ 8: [1, 7, 1], 9: [5, 0, 1], 10: [2, 0, 1] });
  const text = (fault: Parameters<typeof grantFaultText>[0], ref: number) =>
    grantFaultText(fault, ref, 3, table);
  assertEquals(text("not granted to this domain", 8), "granted to domain 7, not to us");
  assertEquals(text("not granted to this domain", 20), "free: nothing is granted by it");
  assertEquals(text("bad reference", 512), "beyond the table's 512 entries");
  assertEquals(text("read-only grant", 9), "granted read-only; map it without --write");
  assertEquals(text("bad domain", 9), "no domain 3");
  assertEquals(text("refused", 10), "refused (transfer)");
  assertEquals(grantFaultText("refused", 10, 3, null), "refused");
});

Deno.test("grant-encoded addresses are taken apart", () => {
  assertEquals(grantAddress(0x8000_0000_0021_3404n), { ref: 0x213, offset: 0x404 });
  assertEquals(grantAddress(0x7fff_ffff_ffff_ffffn), null);
  assertEquals(grantAddress(0xffff_ffff_ffff_f000n), null);
});
