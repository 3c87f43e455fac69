/** What keys and reports make of the full-screen view, without a terminal. */
import { assertEquals } from "@std/assert";
import {
  cursorRow,
  type Event,
  initialState,
  type State,
  targetAt,
} from "../../cli/screen/state.ts";
import { update } from "../../cli/screen/update.ts";
import type { WatchReport } from "../../lib/watch/follow.ts";
import { type QueueSketch, reportOf } from "../support/watch_reports.ts";

const START = initialState({
  target: "qemu:1",
  interval: 1000,
  size: { columns: 80, rows: 24 },
  keys: true,
  unicode: false,
});

const report = (report: WatchReport): Event => ({ kind: "report", report });
const keys = (...keys: string[]): Event[] => keys.map((key) => ({ kind: "key", key }));

function after(state: State, ...events: Event[]): State {
  return events.reduce(update, state);
}

/** Queues in the order of the rows, the one under the cursor with a mark: `a >b c`. */
function shown(state: State): string {
  const cursor = cursorRow(state);
  return Array.from(state.rows, (_, row) => {
    const name = targetAt(state, row)?.slice("qemu:1/".length);
    return row === cursor ? `>${name}` : name;
  }).join(" ");
}

const FOUR: QueueSketch[] = [
  { name: "blk0:0", usedRate: 10, verdict: "moving", oldest: 5, inFlight: 1 },
  { name: "blk1:0", verdict: "device not consuming", oldest: 9000, inFlight: 3 },
  { name: "net0:0 rx0", usedRate: 400, verdict: "moving", inFlight: 2 },
  { name: "net0:1 tx0", verdict: "device not consuming", oldest: 90_000, inFlight: 9 },
];
const SEEN = after(START, report(reportOf(FOUR)));

Deno.test("the worst queue is first, of two that are stuck the one that is for longer", () => {
  assertEquals(shown(SEEN), ">net0:1 blk1:0 blk0:0 net0:0");
});

Deno.test("queues that are well do not change places as they begin and cease to move", () => {
  const well = (a: "idle" | "moving", b: "idle" | "moving") =>
    report(reportOf([{ name: "blk0:0", verdict: a }, { name: "blk1:0", verdict: b }]));
  for (const event of [well("idle", "moving"), well("moving", "idle")]) {
    assertEquals(shown(after(START, event)), ">blk0:0 blk1:0");
  }
});

Deno.test("s goes through the orders and round, S back", () => {
  const orders = ["worst", "busiest", "in flight", "oldest", "by name", "worst"];
  let state = SEEN;
  for (const order of orders) {
    assertEquals(state.order, order);
    state = after(state, ...keys("s"));
  }
  assertEquals(after(SEEN, ...keys("S")).order, "by name");
  assertEquals(shown(after(SEEN, ...keys("s"))), ">net0:0 blk0:0 blk1:0 net0:1");
  assertEquals(shown(after(SEEN, ...keys("s", "s"))), ">net0:1 blk1:0 net0:0 blk0:0");
  assertEquals(shown(after(SEEN, ...keys("s", "s", "s"))), ">net0:1 blk1:0 blk0:0 net0:0");
  assertEquals(shown(after(SEEN, ...keys("S"))), ">blk0:0 blk1:0 net0:0 net0:1");
});

Deno.test("the cursor goes with its queue, and at Home with the first row", () => {
  const mended = report(reportOf([...FOUR.slice(0, 3), { name: "net0:1 tx0", verdict: "idle" }]));
  const moved = after(SEEN, ...keys("down", "up"));
  assertEquals(shown(after(moved, mended)), "blk1:0 blk0:0 net0:0 >net0:1");
  assertEquals(shown(after(SEEN, mended)), ">blk1:0 blk0:0 net0:0 net0:1");
  assertEquals(shown(after(moved, ...keys("home"), mended)), ">blk1:0 blk0:0 net0:0 net0:1");
});

Deno.test("the cursor stays within the rows, whichever key moves it", () => {
  for (const [key, row] of [["k", 0], ["j", 1], ["up", 0], ["down", 1]] as const) {
    assertEquals(cursorRow(after(SEEN, ...keys(key))), row, key);
  }
  for (const key of ["G", "end", "pagedown", "ctrl-f"]) {
    const last = after(SEEN, ...keys(key, key));
    assertEquals(cursorRow(last), 3, key);
    for (const back of ["g", "home", "pageup", "ctrl-b"]) {
      assertEquals(cursorRow(after(last, ...keys(back, back))), 0, back);
    }
  }
});

Deno.test("a thousand rows scroll as little as they must", () => {
  const many = Array.from({ length: 1000 }, (_, n) => ({ name: `blk${n}:0` }));
  const state = after(START, report(reportOf(many)));
  const place = (...pressed: string[]) => {
    const { top, ...rest } = after(state, ...keys(...pressed));
    return [top, cursorRow({ top, ...rest })];
  };
  // 24 lines: title, status, heading, keys and ten of the pane leave ten.
  assertEquals(place(...Array(9).fill("down")), [0, 9]);
  assertEquals(place(...Array(10).fill("down")), [1, 10]);
  assertEquals(place(...Array(10).fill("down"), "up"), [1, 9]);
  assertEquals(place("pagedown"), [1, 10]);
  assertEquals(place("end"), [990, 999]);
  assertEquals(place("end", "pageup"), [989, 989]);
  const small: Event = { kind: "size", size: { columns: 80, rows: 12 } };
  const resized = after(state, ...keys("end"), small);
  assertEquals([resized.top, cursorRow(resized)], [992, 999]);
});

Deno.test("fewer queues than before leave no gap and no cursor beyond them", () => {
  const many = Array.from({ length: 100 }, (_, n) => ({ name: `blk${n}:0` }));
  const state = after(START, report(reportOf(many)), ...keys("end"), report(reportOf(FOUR)));
  assertEquals([state.top, cursorRow(state)], [0, 0]);
  const none = after(state, report(reportOf([])), ...keys("down", "enter", "K", "end"));
  assertEquals([none.opened, none.kicking, cursorRow(none)], [null, null, 0]);
});

Deno.test("a filter is typed, kept and cleared; it looks at names and verdicts", () => {
  const typed = after(SEEN, ...keys("/", "N", "e", "t"));
  assertEquals([typed.typing, shown(typed)], ["Net", ">net0:1 net0:0"]);
  const kept = after(typed, ...keys("backspace", "enter"));
  assertEquals([kept.typing, kept.filter], [null, "Ne"]);
  assertEquals(shown(after(kept, ...keys("escape"))), shown(SEEN));
  assertEquals(shown(after(SEEN, ...keys("/", ..."not consuming"))), ">net0:1 blk1:0");
  assertEquals(shown(after(SEEN, ...keys("/", ..."virtio-blk"))), ">blk1:0 blk0:0");
  assertEquals(shown(after(SEEN, ...keys("/", "r", "x", "0"))), ">net0:0");
  assertEquals(shown(after(typed, ...keys("escape"))), shown(SEEN));
  assertEquals(after(typed, ...keys("ctrl-u")).filter, "");
  // Names of keys are not typed, and q is a letter here.
  assertEquals(after(SEEN, ...keys("/", "q", "up", "f5", "é")).filter, "qé");
});

Deno.test("paused, the picture stands; what came meanwhile is there when it goes on", () => {
  const later = report(reportOf([{ name: "blk0:0", usedRate: 7 }]));
  const paused = after(SEEN, ...keys("p"), later);
  assertEquals([shown(paused), paused.paused], [shown(SEEN), true]);
  const on = after(paused, ...keys(" "));
  assertEquals([shown(on), on.scene?.history.length], [">blk0:0", 2]);
});

Deno.test("paused, the picture stands although its queues say something else by now", () => {
  const live = reportOf([{ name: "blk0:0", usedRate: 7 }]);
  const paused = after(START, report(live), ...keys("p"));
  const [queue] = live.queues;
  const before = queue.indices?.used.index as number;
  Object.assign(queue, { usedRate: 9 });
  Object.assign(queue.indices?.used as object, { index: before + 3 });
  const said = (state: State) => {
    const [{ usedRate, indices }] = state.scene?.report.queues ?? [];
    return [usedRate, indices?.used.index];
  };
  assertEquals([said(paused), said(after(paused, ...keys("p")))], [[7, before], [9, before + 3]]);
});

Deno.test("what was said of a guest that was gone is gone when it is back", () => {
  const gone = report(reportOf(FOUR, { guest: { up: false, note: "it exited" } }));
  const noticed = after(SEEN, { kind: "notice", text: "gone: it exited" }, gone);
  assertEquals(noticed.notice?.text, "gone: it exited");
  assertEquals(after(noticed, report(reportOf(FOUR))).notice, null);
});

Deno.test("a notice stands for a while, or until Escape", () => {
  const noticed = after(SEEN, { kind: "notice", text: "the monitor is busy" });
  const again = report(reportOf(FOUR));
  assertEquals(after(noticed, ...Array(14).fill(again)).notice?.text, "the monitor is busy");
  assertEquals(after(noticed, ...Array(15).fill(again)).notice, null);
  assertEquals(after(noticed, ...keys("escape")).notice, null);
});

const OPENED = after(SEEN, ...keys("down", "enter"));

Deno.test("a queue is opened and left, and the cursor is where it was", () => {
  assertEquals(OPENED.opened?.target, "qemu:1/blk1:0");
  for (const key of ["escape", "q", "left", "h"]) {
    const back = after(OPENED, ...keys(key));
    assertEquals([back.opened, back.ended, shown(back)], [
      null,
      null,
      shown(after(SEEN, ...keys("down"))),
    ]);
  }
});

Deno.test("an opened queue scrolls as far as its text goes", () => {
  const text = Array.from({ length: 30 }, (_, n) => `line ${n}`).join("\n");
  const read: Event = { kind: "queue", target: "qemu:1/blk1:0", text };
  const top = (...pressed: string[]) => after(OPENED, read, ...keys(...pressed)).opened?.top;
  // Of 24 lines, eleven are the text's.
  assertEquals([top("up"), top("down"), top("pagedown"), top("end")], [0, 1, 11, 19]);
  assertEquals(top("end", "pageup"), 8);
  const other = after(OPENED, { kind: "queue", target: "qemu:1/blk0:0", text });
  assertEquals(other.opened?.text, "", "what was read of another queue comes too late");
  assertEquals(after(OPENED, read, ...keys("d")).opened, {
    ...OPENED.opened,
    descriptors: true,
  });
});

const TARGET = "qemu:1/net0:1";
const PLAN = { way: "ioeventfd", signals: "ioeventfd 15 of QEMU 1: write 1 (kick)" };
const planned: Event = { kind: "plan", target: TARGET, plan: PLAN };
const kicked: Event = { kind: "kicked", target: TARGET, failed: false, lines: ["it moved"] };

Deno.test("a kick is found out, asked for, sent on y alone, and shown", () => {
  const planning = after(SEEN, ...keys("K"));
  assertEquals(planning.kicking, { phase: "planning", target: TARGET });
  const asking = after(planning, planned);
  assertEquals(asking.kicking, { phase: "asking", target: TARGET, plan: PLAN });
  for (const key of ["n", "enter", "escape", "q", "K", "Y", " "]) {
    const answered = after(asking, ...keys(key));
    assertEquals([answered.kicking, answered.ended], [null, null], key);
  }
  const sending = after(asking, ...keys("y"));
  assertEquals(sending.kicking?.phase, "sending");
  assertEquals(after(sending, ...keys("y", "q", "escape")), sending);
  const done = after(sending, kicked);
  assertEquals(done.kicking, {
    phase: "done",
    target: TARGET,
    plan: PLAN,
    failed: false,
    lines: ["it moved"],
  });
  assertEquals(after(done, ...keys("q")), { ...done, kicking: null });
});

Deno.test("a kick that was given up is not asked for when its way is found", () => {
  assertEquals(after(SEEN, ...keys("K", "escape"), planned).kicking, null);
  assertEquals(after(SEEN, ...keys("K", "x"), planned).kicking?.phase, "asking");
  const other: Event = { ...planned, kind: "plan", target: "qemu:1/blk0:0", plan: PLAN };
  assertEquals(after(SEEN, ...keys("K"), other).kicking?.phase, "planning");
});

Deno.test("a kick from an opened queue is for that queue", () => {
  assertEquals(after(OPENED, ...keys("K")).kicking?.target, "qemu:1/blk1:0");
});

Deno.test("help scrolls, and any other key closes it without doing anything else", () => {
  const help = after(SEEN, ...keys("?"));
  assertEquals(help.help, 0);
  assertEquals(after(help, ...keys("j", "j")).help, 2);
  for (const key of ["q", "escape", "?", "K"]) {
    assertEquals(after(help, ...keys(key)), { ...help, help: null }, key);
  }
});

Deno.test("q quits from the list, Ctrl-C from everywhere", () => {
  assertEquals(after(SEEN, ...keys("q")).ended, "quit");
  const asking = after(SEEN, ...keys("K"), planned);
  for (const state of [START, SEEN, OPENED, asking, after(SEEN, ...keys("/"))]) {
    assertEquals(after(state, ...keys("ctrl-c")).ended, "interrupted");
  }
});

Deno.test("keys before the first report do no harm", () => {
  const all = ["up", "end", "enter", "K", "/", "a", "enter", "escape", "s", "p", "p", "?", "x"];
  assertEquals(after(START, ...keys(...all)).rows.length, 0);
});
