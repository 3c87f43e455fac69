/** The rates of the past, and their line. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import { sparkline } from "../../cli/render/sparkline.ts";
import { type History, KEPT, ratesOf, remember } from "../../cli/screen/history.ts";
import { reportOf } from "../support/watch_reports.ts";

function rates(...all: Record<string, number | null>[]): History {
  return all.map((one) =>
    reportOf(Object.entries(one).map(([name, usedRate]) => ({ name: `${name}:0`, usedRate })))
  ).reduce<History>(remember, []);
}

Deno.test("a queue's rates are told from its neighbours', though they come and go", () => {
  const history = rates({ a: 1, b: 2 }, { a: 3, b: null }, { b: 4 }, { c: 5, b: 6 });
  assertEquals(ratesOf(history, "qemu:1/b:0", 9), [2, NaN, 4, 6]);
  assertEquals(ratesOf(history, "qemu:1/a:0", 9), [1, 3, NaN, NaN]);
  assertEquals(ratesOf(history, "qemu:1/b:0", 2), [4, 6]);
  assertEquals(ratesOf(history, "qemu:1/none:0", 2), [NaN, NaN]);
});

Deno.test("reports of the same queues share one table, and the oldest go", () => {
  const one = { a: 1, b: 2 };
  const history = rates(...Array<typeof one>(KEPT + 5).fill(one));
  assertEquals(history.length, KEPT);
  assertStrictEquals(history[0].places, history[KEPT - 1].places);
  const [first, second] = rates({ a: 1, b: 2 }, { b: 1, a: 2 });
  assertEquals(first.places === second.places, false);
});

Deno.test("of a guest that is gone no rate is known", () => {
  const gone = reportOf([{ name: "a:0", usedRate: 0 }], { guest: { up: false, note: "" } });
  assertEquals(ratesOf(remember([], gone), "qemu:1/a:0", 1), [NaN]);
});

Deno.test("a line is scaled to its highest, and nothing differs from little", () => {
  assertEquals(sparkline([0, 1, 1000, 500, NaN], 5, false), "_.#=?");
  assertEquals(sparkline([0, 1, 1000, 500, NaN], 5, true), "▁▂█▅?");
  assertEquals(sparkline([1, 2], 4, false), "  =#");
  assertEquals(sparkline([3, 1, 2], 2, false), "=#");
  assertEquals([sparkline([0, 0], 2, false), sparkline([1], 0, false)], ["__", ""]);
  assertEquals(sparkline([NaN, NaN], 3, true), " ??");
});
