import { assert, assertEquals, assertThrows } from "@std/assert";
import type { RingConfig } from "../../lib/ring/config.ts";
import { ConditionError, parseCondition } from "../../lib/watch/condition.ts";
import type { QueueRates, WatchReport } from "../../lib/watch/follow.ts";

function queue(name: string, more: Partial<QueueRates> & { inFlight?: number }): QueueRates {
  const { inFlight = 0, ...rest } = more;
  const side = { index: 7, flags: 0, event: null, wrap: null, eventWrap: null };
  const indices = { available: side, used: side, inFlight, exact: true, raced: false, time: 0 };
  const base = { indices, usedRate: 0, oldest: 0, verdict: "idle", inFlightWorst: 3, ...rest };
  return { target: name, ...base } as unknown as QueueRates;
}

function report(queues: readonly QueueRates[], up = true): WatchReport {
  return { time: 0, guest: { up, note: "" }, queues, unreadable: 0 };
}

const TWO = report([
  queue("a", { verdict: "moving", usedRate: 12.5, inFlight: 4, oldest: 3 }),
  queue("b", { verdict: "lost kick", usedRate: null, inFlight: 9, oldest: 6000 }),
]);

Deno.test("words, comparisons, any and all", () => {
  const cases: [string, string | null][] = [
    ["moving", "a"],
    ["any moving", "a"],
    ["all moving", null],
    ["lost-kick", "b"],
    ["verdict=lost-kick", "b"],
    ["verdict != moving", "b"],
    ["stuck", "b"],
    ["idle", null],
    ["inFlight>=9", "b"],
    ["inFlight>9", null],
    ["all inFlight>3", "a"],
    ["inFlight<5,moving", "a"],
    ["inFlight>5, moving", null],
    ["usedRate>0", "a"],
    ["all usedRate>=0", null],
    ["usedRate!=12.5", null],
    ["oldest>5s", "b"],
    ["oldest<=3ms", "a"],
    ["oldest > 0.1m", null],
    ["used=7", "a"],
    ["up", "a"],
    ["gone", null],
  ];
  for (const [text, target] of cases) {
    assertEquals(parseCondition(text).holds(TWO), target, text);
  }
});

Deno.test("of a guest that is gone only that holds", () => {
  const gone = report(TWO.queues, false);
  assertEquals(parseCondition("gone").holds(gone), "a");
  for (const text of ["up", "moving", "inFlight>=9", "all inFlight>3"]) {
    assertEquals(parseCondition(text).holds(gone), null, text);
  }
  assertEquals(parseCondition("all idle").holds(report([])), null);
});

Deno.test("what can never hold is an error that says why, and what was meant", () => {
  const cases: [string, RegExp, string][] = [
    ["", /a term is missing/, ""],
    ["moving,", /a term is missing/, ""],
    ["movign", /"movign" is nothing to wait for/, "movign"],
    ["inflight>3", /no report has a "inflight"/, "inflight"],
    ["constructor>3", /no report has/, "constructor"],
    ["verdict=lost-kik", /is no verdict/, "lost-kik"],
    ["verdict>idle", /only = or !=/, ""],
    ["inFlight", /wants a comparison/, ""],
    ["inFlight>-1", /negative/, ""],
    ["inFlight<0", /^"inFlight<0": nothing is below 0/, ""],
    ["inFlight=1.5", /^"inFlight=1.5": it is a whole number/, ""],
    ["inFlight>3s", /no unit "s"/, ""],
    ["inFlight>many", /no number/, ""],
    ["moving,idle", /one verdict at a time/, ""],
    ["stuck,moving", /one verdict at a time/, ""],
    ["inFlight>5,inFlight<3", /never both true/, ""],
    ["inFlight>5,inFlight<=5", /never both true/, ""],
    ["inFlight=5,inFlight=6", /never both true/, ""],
    ["gone,moving", /stand alone/, ""],
  ];
  for (const [text, message, word] of cases) {
    const error = assertThrows(() => parseCondition(text), ConditionError);
    assert(message.test(error.message), `${text}: ${error.message}`);
    assertEquals(error.word, word, text);
    if (word !== "") assert(error.known.length > 0);
  }
});

Deno.test("what no ring here can come to is impossible", () => {
  const ring = (format: "split" | "packed", size: number) => ({ format, size }) as RingConfig;
  const rings = [ring("split", 128), ring("packed", 64)];
  const why = (text: string) => parseCondition(text).impossible(rings);
  assertEquals(why("inFlight>=128"), null);
  assert(/at most 128/.test(why("inFlight>128") ?? ""));
  assert(/at most 128/.test(why("inFlightWorst>=129") ?? ""));
  assert(/at most 65535/.test(why("used=65536") ?? ""));
  assertEquals(why("used>=65535"), null);
  assertEquals([why("usedRate>1000000000"), why("moving")], [null, null]);
  assertEquals(parseCondition("inFlight>128").impossible([]), null);
});
