/** `dump ring` on images of guest memory, and the shape of its JSON, which scripts lean on. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { guestmem, type Run, temporaryFolder } from "../support/cli.ts";
import { image, writeImage } from "../support/images.ts";

async function dumpRing(name: string, ...more: string[]): Promise<Run> {
  await using folder = await temporaryFolder();
  const { raw, layout } = await writeImage(name, folder.path);
  return await guestmem(["dump", "ring", `file:${raw}`, "--layout", layout, ...more]);
}

const WELL_FORMED = [
  "split_256_chain3",
  "split_256_indirect8",
  "packed_256_chain3",
  "packed_256_indirect8",
  "packed_256_two_regions",
];

for (const name of WELL_FORMED) {
  Deno.test(`${name}: the sums over all chains are those expected`, async () => {
    const { code, out, err } = await dumpRing(name, "--json", "--check");
    assertEquals([code, err], [0, ""]);
    const ring = JSON.parse(out);
    const sum = (
      count: (chain: { descriptors: unknown[]; readable: number; writable: number }) => number,
    ) =>
      ring.chains.reduce(
        (total: number, chain: Parameters<typeof count>[0]) => total + count(chain),
        0,
      );
    assertEquals({
      chains: ring.chains.length,
      descriptors: sum(({ descriptors }) => descriptors.length),
      readable_bytes: sum(({ readable }) => readable),
      writable_bytes: sum(({ writable }) => writable),
    }, { ...image(name).expect });
    assertEquals(ring.findings, []);
  });
}

const BROKEN: [string, string][] = [
  ["bad_split_loop_two", "loop"],
  ["bad_split_dup_head", "duplicate-head"],
  ["bad_split_shared_desc", "shared-descriptor"],
  ["bad_split_used_ahead", "used-ahead"],
  ["bad_split_ring_outside", "ring-outside-memory"],
  ["bad_split_indirect_len_zero", "indirect-empty"],
  ["bad_split_addr_u64_wrap", "address-overflow"],
  ["bad_packed_next_endless", "chain-unavailable"],
  ["bad_packed_indirect_nested", "indirect-nested"],
];

for (const [name, finding] of BROKEN) {
  Deno.test(`${name}: ${finding} is reported, with --check by the exit code`, async () => {
    const { code, out } = await dumpRing(name, "--json", "--check");
    assertEquals(code, 3);
    const codes = JSON.parse(out).findings.map((found: { code: string }) => found.code);
    assert(codes.includes(finding), codes.join());
    const plain = (await dumpRing(name, "--plain")).out.replace(/\n$/, "").split("\n");
    const fields = plain.map((line) => line.split("\t"));
    assertEquals(fields.map(({ length }) => length), fields.map(() => 12));
    const said = new Set(fields.flatMap((line) => line[11].split(",")).filter((one) => one !== ""));
    assertEquals(said, new Set(codes));
    const text = await dumpRing(name);
    assertEquals(text.code, 0);
    assertStringIncludes(text.out, finding);
  });
}

Deno.test("the JSON of a split ring has the promised names", async () => {
  const ring = JSON.parse((await dumpRing("split_256_chain3", "--json")).out);
  assertEquals(ring.schema, "guestmem/ring/1");
  assert(!Number.isNaN(Date.parse(ring.time)));
  assertEquals([ring.format, ring.size, ring.features], ["split", 256, "0x110000000"]);
  assertEquals(Object.keys(ring.available), ["index", "flags", "event"]);
  assertEquals(Object.keys(ring.used), ["index", "flags", "event"]);
  assertEquals([ring.inFlight, ring.raced], [ring.available.index - ring.used.index, false]);
  assertEquals(Object.keys(ring.suppression), ["kickWanted", "callWanted", "by"]);
  const [chain] = ring.chains;
  const names = ["head", "slot", "id", "readable", "writable", "indirect", "state", "descriptors"];
  for (const name of [...names, "request", "findings"]) assert(name in chain, name);
  assertEquals(chain.descriptors[0], {
    index: 0,
    address: "0x800000",
    length: 16,
    writable: false,
    next: 1,
    status: "ok",
  });
});

Deno.test("the JSON of a packed ring has positions with their wrap counters", async () => {
  const ring = JSON.parse((await dumpRing("packed_256_chain3", "--json")).out);
  assertEquals(ring.format, "packed");
  for (const side of [ring.available, ring.used]) {
    assertEquals(Object.keys(side), ["index", "wrap", "flags", "event", "eventWrap"]);
  }
  assertEquals(ring.used.index + ring.inFlight, ring.available.index);
});

Deno.test("the JSON of a finding has code, place, section and text", async () => {
  const ring = JSON.parse((await dumpRing("bad_split_loop_two", "--json")).out);
  const [finding] = ring.findings;
  assertEquals(Object.keys(finding), ["code", "place", "section", "text"]);
  assertEquals([finding.code, finding.section], ["loop", "2.7.5.2"]);
  const broken = ring.chains.filter((chain: { findings: string[] }) => chain.findings.length > 0);
  assertEquals(broken[0].findings, ["loop"]);
});

Deno.test("a person gets the picture first, then numbers, then chains", async () => {
  const { out } = await dumpRing("split_256_chain3", "--limit", "2");
  const parts = ["available 85 v", "^ used 0", "INDEX", "in flight: 85", "HEAD", "83 more chains"];
  const places = parts.map((part) => out.indexOf(part));
  assert(places.every((place, i) => place > (places[i - 1] ?? -1)), places.join());
});

Deno.test("--plain is a line per descriptor, in columns", async () => {
  const { out } = await dumpRing("split_256_chain3", "--plain");
  const rows = out.trimEnd().split("\n").map((line) => line.split("\t"));
  assertEquals(rows.length, image("split_256_chain3").expect?.descriptors);
  assertEquals(rows[1].slice(1), [
    "0",
    "0",
    "available",
    "1",
    "0x800400",
    "1024",
    "reads",
    "ok",
    "2",
    "",
    "",
  ]);
});

Deno.test("colours are for terminals alone, and NO_COLOR is heard", async () => {
  for (const more of [[], ["--plain"], ["--json"]]) {
    assertEquals((await dumpRing("bad_split_loop_two", ...more)).out.includes("\x1b"), false);
  }
});

Deno.test("a file without a layout has no rings, and says what would help", async () => {
  await using folder = await temporaryFolder();
  const { raw } = await writeImage("split_256_chain1", folder.path);
  const { code, out, err } = await guestmem(["dump", "ring", `file:${raw}`]);
  assertEquals([code, out], [1, ""]);
  assertStringIncludes(err, "--layout FILE says where");
});
