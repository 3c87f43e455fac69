/**
 * A short run of the fuzzer, and every ring that was ever read wrong. `deno task fuzz` runs for
 * minutes, with seeds of its own.
 */
import { assert, assertEquals } from "@std/assert";
import { openRing } from "../../lib/ring/ring.ts";
import { compareRing } from "../fuzz/ring_fuzz.ts";
import { ringCase } from "../fuzz/ring_case.ts";
import { fixtureText, parseFixture } from "../fuzz/ring_fixture.ts";
import { runJob, SHARE, type TargetName } from "../fuzz/targets.ts";
import { image, IMAGE_NAMES } from "../support/images.ts";
import { readRing } from "../support/oracle/oracle.ts";
import { compareSnapshot } from "../fuzz/compare.ts";

/** Rings of the short run; the other targets have their share of it. */
const COUNT = 10_000;

for (const target of Object.keys(SHARE) as TargetName[]) {
  Deno.test(`fuzz: ${target}`, () => {
    assertEquals(runJob({ target, from: 1, count: COUNT * SHARE[target] }), []);
  });
}

const FIXTURES = new URL("../fuzz/fixtures/", import.meta.url);

for (const { name } of [...Deno.readDirSync(FIXTURES)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`fixture: ${name}`, () => {
    const { world, config, options } = parseFixture(Deno.readTextFileSync(new URL(name, FIXTURES)));
    compareRing(world, config, options);
  });
}

Deno.test("a fixture holds all of a ring", () => {
  const one = ringCase(4711);
  one.damage();
  const { world, config } = one;
  const again = parseFixture(fixtureText({ note: "", world, config, options: {} }));
  assertEquals([again.config, again.world.plan, again.world.bytes], [
    config,
    world.plan,
    world.bytes,
  ]);
});

Deno.test("the fuzzer's rings are of all kinds: sound, damaged, and each finding there is", () => {
  const seen = new Map<string, number>();
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  for (let seed = 1; seed <= 4000; seed++) {
    const one = ringCase(seed);
    one.damage();
    const snapshot = openRing(one.world.memory, one.config).snapshot({ chains: "recent" });
    new Set(snapshot.findings.map(({ code }) => code)).forEach(count);
    if (snapshot.findings.length === 0 && snapshot.chainCount > 0) count("sound");
    if (snapshot.exact) count(`exact ${one.config.format}`);
  }
  const rare = ["chain-too-long", "shared-descriptor", "duplicate-id", "address-overflow"];
  for (const code of [...rare, "loop", "indirect-nested", "sound", "exact packed", "exact split"]) {
    assert((seen.get(code) ?? 0) >= 3, `${code}: ${seen.get(code) ?? 0}`);
  }
});

Deno.test("oracle and walker agree on every recorded image", () => {
  for (const name of IMAGE_NAMES) {
    const { memory, config } = image(name);
    if (config.size > 1024) continue;
    const oracle = memory.table.regions.map(({ guest, length, offset, backing }) => {
      const bytes = new Uint8Array(backing.live(0, 0) as ArrayBuffer);
      const byte = (at: bigint) => bytes[offset + Number(at)];
      return { guest, length, user: null, whole: true, byte };
    });
    compareSnapshot(openRing(memory, config).snapshot(), readRing(oracle, config));
  }
});
