/** The alert rules and the dashboard in the docs ask only for what the exporter serves. */
import { assert, assertEquals } from "@std/assert";
import { Exporter } from "../../lib/metrics/exporter.ts";
import { VERDICTS } from "../../lib/ring/stall.ts";
import type { QueueRates, WatchReport } from "../../lib/watch/follow.ts";

const DOCS = new URL("../../cli/docs/prometheus/", import.meta.url);

function report(up: boolean): WatchReport {
  const side = { index: 7, flags: 0, event: null, wrap: null, eventWrap: null };
  const indices = { available: side, used: side, inFlight: 2, exact: true, raced: false, time: 0 };
  const rates = { indices, usedRate: 10, inFlightWorst: 3, waiting: 2000, oldest: 3000, gap: true };
  const names = { target: "qemu:1/blk0:0", device: { name: "blk0" }, queue: { name: "request0" } };
  const queue = { ...rates, ...names, verdict: "lost kick" } as unknown as QueueRates;
  return { time: 0, guest: { up, note: "" }, queues: [queue], unreadable: 0 };
}

/** Names of metrics that stand in a text. */
function namesIn(text: string): Set<string> {
  return new Set(text.match(/\bguestmem_[a-z_]+/g) ?? []);
}

Deno.test("every metric and verdict that the docs ask for is served", async () => {
  const exporter = new Exporter();
  exporter.update("qemu:1", report(true), { frames: 2, maxFrames: 64, used: 280, limit: 32768 });
  const text = await exporter.text();
  const served = namesIn(text.split("\n").filter((line) => !line.startsWith("#")).join("\n"));
  for (const file of ["alerts.yml", "dashboard.json"]) {
    const asked = await Deno.readTextFile(new URL(file, DOCS));
    const names = namesIn(asked);
    assert(names.size >= 4, file);
    assertEquals([...names].filter((name) => !served.has(name)), [], file);
    for (const [, list] of asked.matchAll(/verdict[=!]~?\\?"([a-z |]+)\\?"/g)) {
      for (const verdict of list.split("|")) {
        assert(VERDICTS.some((one) => one === verdict), verdict);
      }
    }
  }
  const labels = '{guest="qemu:1",device="blk0",queue="request0"}';
  for (const line of [`guestmem_oldest_seconds${labels} 3`, `guestmem_in_flight${labels} 2`]) {
    assert(text.includes(line), text);
  }
  assert(text.trimEnd().endsWith("# EOF"));
});

Deno.test("a guest that is gone keeps no values but its counters, and up is 0", async () => {
  const exporter = new Exporter();
  exporter.update("qemu:1", report(true), { frames: 2, maxFrames: 64, used: 280, limit: 32768 });
  exporter.update("qemu:1", report(false));
  const text = await exporter.text();
  assert(text.includes('guestmem_guest_up{guest="qemu:1"} 0'));
  assertEquals(/^guestmem_(in_flight|verdict|oldest_seconds|grant_[a-z_]+)\{/m.test(text), false);
});

Deno.test("the dashboard is JSON whose panels all have a query", async () => {
  const dashboard = JSON.parse(await Deno.readTextFile(new URL("dashboard.json", DOCS)));
  for (const { title, targets } of dashboard.panels) assert(targets[0].expr !== "", title);
});
