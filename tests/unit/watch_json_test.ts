/** Lines made of parts that are kept say what lines say that are made anew each time. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { jsonLine, timeText } from "../../cli/render/json.ts";
import { WatchJson } from "../../cli/render/watch_json.ts";
import type { QueueRates, WatchReport } from "../../lib/watch/follow.ts";
import { VERDICTS } from "../../lib/ring/stall.ts";
import { watched } from "../support/watch_reports.ts";

/** A line as it is to be. */
function queueJson(rates: QueueRates, { time, guest }: WatchReport): string {
  const { target, device, queue, indices, suppression } = rates;
  return jsonLine("guestmem/watch/1", {
    target,
    time: timeText(time),
    device: device.name,
    queue: queue.name,
    format: queue.ring?.format ?? null,
    size: queue.ring?.size ?? null,
    elapsed: tidy(rates.elapsed),
    samples: rates.samples,
    readRate: rates.elapsed > 0 ? tidy(rates.samples * 1000 / rates.elapsed) : null,
    available: indices?.available.index ?? null,
    used: indices?.used.index ?? null,
    inFlight: indices?.inFlight ?? null,
    inFlightWorst: indices === null ? null : rates.inFlightWorst,
    exact: indices?.exact ?? null,
    raced: indices?.raced ?? null,
    availableRate: tidy(rates.availableRate),
    usedRate: tidy(rates.usedRate),
    usedAverage: tidy(rates.usedAverage),
    gap: rates.gap,
    waiting: indices === null ? null : tidy(rates.waiting),
    oldest: tidy(rates.oldest),
    verdict: rates.verdict,
    evidence: rates.evidence,
    kickWanted: indices === null ? null : suppression.kickWanted,
    callWanted: indices === null ? null : suppression.callWanted,
    guest,
  });
}

function tidy(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1000) / 1000;
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] };

/** What changes of a queue from report to report: all of it, or what time alone changes. */
interface Change {
  readonly whole: boolean;
  readonly index: number;
  readonly rate: number | null;
  readonly since: number;
  readonly average: number | null;
  readonly verdict: QueueRates["verdict"];
  readonly text: string;
}

function apply(queue: Writable<QueueRates>, change: Change): void {
  const { index, rate, since, average } = change;
  Object.assign(queue, { elapsed: since + 100, samples: 2, usedAverage: average, oldest: since });
  queue.waiting = since / 3;
  if (!change.whole) return;
  const { indices, verdict } = watched({ name: "blk0:0", used: index, verdict: change.verdict });
  Object.assign(queue, { indices: index === 0 ? null : indices, verdict, usedRate: rate });
  queue.readings++;
  Object.assign(queue, { evidence: [change.text], gap: rate === null, inFlightWorst: index });
}

const number = fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }));
const change: fc.Arbitrary<Change> = fc.record({
  whole: fc.boolean(),
  index: fc.nat(65535),
  rate: number,
  since: fc.double({ min: 0, max: 1e6, noNaN: true }),
  average: number,
  verdict: fc.constantFrom(null, ...VERDICTS),
  text: fc.string({ unit: "binary" }),
});
const text = fc.string({ unit: "binary" });
const guest = fc.record({ up: fc.boolean(), note: text });

Deno.test("lines of parts are those of whole objects, report after report", () => {
  const changes = fc.array(fc.tuple(change, change), { minLength: 1, maxLength: 10 });
  fc.assert(fc.property(changes, text, guest, (changes, name, guest) => {
    const json = new WatchJson();
    const queues = [watched({ name: `${name}:0 ${name}` }), watched({ name: "net0:1" })];
    for (const [turn, both] of changes.entries()) {
      both.forEach((one, place) => apply(queues[place], one));
      const report: WatchReport = { time: turn * 1000, guest, queues, unreadable: 0 };
      const wanted = queues.map((one) => queueJson(one, report));
      assertEquals(json.lines(report), wanted.join("\n"));
      assertEquals(json.lines(report, 1, 5), wanted[1]);
    }
  }));
});
