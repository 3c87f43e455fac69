import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SourceError } from "../../lib/errors.ts";
import { chooseKick, hasWay } from "../../lib/kick/choose.ts";
import { parseEventfd } from "../../lib/kick/take_eventfd.ts";
import type { Kick } from "../../lib/kick/kick.ts";
import { monitorKick } from "../../lib/kick/monitor.ts";
import { monitorPortKick } from "../../lib/kick/monitor_port.ts";

function way(name: string, possible: true | string, lastResort = false): Kick {
  const send = () => Promise.resolve({ evidence: [] });
  return { name, possible, lastResort, describe: () => `${name} it`, send };
}

Deno.test("the first possible way is taken", () => {
  const ways = [way("eventfd", "unknown"), way("ioeventfd", true), way("monitor", true, true)];
  assertEquals(chooseKick(ways, null).name, "ioeventfd");
});

Deno.test("a way of last resort is only taken by name", () => {
  const ways = [way("eventfd", "unknown"), way("monitor", true, true)];
  const error = assertThrows(() => chooseKick(ways, null), SourceError);
  assert(error.message.endsWith("monitor: possible, but only when asked for"));
  assertEquals(error.remedy, "--via monitor (monitor it)");
  assertEquals(chooseKick(ways, "monitor").name, "monitor");
});

Deno.test("a way asked for by name that is not possible says why", () => {
  const ways = [way("eventfd", "which fd is not known"), way("ioeventfd", true)];
  const error = assertThrows(() => chooseKick(ways, "eventfd"), SourceError);
  assert(error.message.endsWith("eventfd: which fd is not known"));
  assertEquals(error.remedy, "--via ioeventfd (ioeventfd it)");
  assertThrows(() => chooseKick(ways, "smoke"), SourceError, 'no way is called "smoke"');
});

Deno.test("where no way is possible each has its line, and what would help is the remedy", () => {
  const claimed = { ...way("notify", "claimed"), remedy: "boot with iomem=relaxed" };
  const ways = [way("eventfd", "which fd is not known"), claimed, { ...claimed, name: "port-io" }];
  const error = assertThrows(() => chooseKick(ways, null), SourceError);
  assertEquals(error.message.split("\n"), [
    "kick: choose: no way is possible here",
    "  eventfd: which fd is not known",
    "  notify: claimed",
    "  port-io: claimed",
  ]);
  assertEquals(error.remedy, "boot with iomem=relaxed");
});

Deno.test("a queue that can not be notified is named, and what shows why is the last remedy", () => {
  const ways = [way("eventfd", "which fd is not known"), way("monitor", "not for calls", true)];
  const queue = { target: "qemu:7/blk0:0", side: "call" } as const;
  const error = assertThrows(() => chooseKick(ways, null, queue), SourceError);
  assertEquals(
    error.message.split("\n")[0],
    "kick: choose: qemu:7/blk0:0: no way is possible here",
  );
  assert(error.remedy.startsWith("`guestmem kick --list --call qemu:7/blk0:0` "), error.remedy);
  assertEquals(hasWay(ways), false);
  assertEquals(hasWay([...ways, way("monitor", true, true)]), false);
  assertEquals(hasWay([...ways, way("ioeventfd", true)]), true);
});

Deno.test("fdinfo of an eventfd, and of what is none", () => {
  const text =
    "pos:\t0\nflags:\t02004002\nmnt_id:\t15\nino:\t1057\neventfd-count:               2a\n" +
    "eventfd-id: 127\neventfd-semaphore: 0\n";
  assertEquals(parseEventfd(text), { count: 42n, id: 127 });
  assertEquals(parseEventfd("pos:\t0\neventfd-count: ffffffffffffffff\n")?.count, (1n << 64n) - 1n);
  assertEquals(parseEventfd("pos:\t0\nflags:\t02\n"), null);
});

/** A monitor that answers from a list, and writes down what it was asked. */
function monitor(states: string[], fail: Record<string, number> = {}) {
  const asked: string[] = [];
  const execute = (command: string) => {
    asked.push(command);
    if ((fail[command] ?? 0) > 0) {
      fail[command]--;
      return Promise.reject(new SourceError("qemu", "connect", "busy", "taken"));
    }
    return Promise.resolve(command === "query-status" ? { status: states.shift() } : {});
  };
  return { asked, execute };
}

Deno.test("stop is always followed by cont", async () => {
  const well = monitor(["running", "running"]);
  await monitorKick(well, "kick").send();
  assertEquals(well.asked, ["query-status", "stop", "cont", "query-status"]);
  const failing = monitor(["running"], { stop: 1 });
  await assertRejects(() => monitorKick(failing, "kick").send(), SourceError, "taken");
  assertEquals(failing.asked, ["query-status", "stop", "cont"]);
});

Deno.test("a monitor that is taken between stop and cont does not leave the guest standing", async () => {
  const busy = monitor(["running", "running"], { cont: 2 });
  await monitorKick(busy, "kick").send();
  assertEquals(busy.asked, ["query-status", "stop", "cont", "cont", "cont", "query-status"]);
});

Deno.test("a paused guest is not set going by a kick", async () => {
  const paused = monitor(["paused"]);
  const error = await assertRejects(() => monitorKick(paused, "kick").send(), SourceError);
  assertEquals(error.kind, "unsupported");
  assertEquals(paused.asked, ["query-status"]);
  const silent = { execute: () => Promise.resolve("nonsense") };
  await assertRejects(() => monitorKick(silent, "kick").send(), SourceError, "unknown state");
});

Deno.test("the monitor can not call the driver, and may not be there", () => {
  assert(monitorKick(monitor([]), "call").possible !== true);
  assert(monitorKick(undefined, "kick").possible !== true);
});

Deno.test("the monitor can not write ports that a modern device has not", () => {
  const bus = { kind: "pci", id: "0000:00:03.0" } as const;
  const possible = (ports?: boolean) =>
    monitorPortKick(monitor([]), { bus, ...(ports === undefined ? {} : { ports }) }, 0, "kick")
      .possible;
  assertEquals(possible(true), true);
  assertEquals(possible(), true, "not known: query-pci tells when it is sent");
  assertEquals(possible(false), "the device has no ports: it is modern (disable-legacy)");
});
