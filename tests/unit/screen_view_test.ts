/** The full-screen view as pictures of the terminal. */
import { assert, assertEquals } from "@std/assert";
import wideWidth from "fast-string-width";
import { setColorEnabled, stripAnsiCode } from "../../cli/render/colors.ts";
import { view } from "../../cli/render/watch_screen.ts";
import { type Event, initialState, type State } from "../../cli/screen/state.ts";
import { update } from "../../cli/screen/update.ts";
import { type QueueSketch, reportOf } from "../support/watch_reports.ts";

setColorEnabled(false);

function start(columns: number, rows: number, unicode = false): State {
  const size = { columns, rows };
  return initialState({ target: "qemu:1", interval: 1000, size, keys: true, unicode });
}

function after(state: State, ...events: (Event | string)[]): State {
  return events.map((one): Event => typeof one === "string" ? { kind: "key", key: one } : one)
    .reduce(update, state);
}

/** The lines without what is blank at their ends, from the first to the last that is not empty. */
function picture(state: State): string {
  return view(state).map((line) => stripAnsiCode(line).trimEnd()).join("\n").trimEnd();
}

const QUEUES: QueueSketch[] = [
  {
    name: "blk0:0 request0",
    size: 64,
    available: 1034,
    used: 1024,
    inFlight: 10,
    inFlightWorst: 12,
    usedRate: 8,
    availableRate: 9,
    usedAverage: 7.5,
    oldest: 3,
    verdict: "moving",
  },
  {
    name: "net0:1 tx0",
    available: 7,
    used: 5,
    inFlight: 2,
    waiting: 9000,
    oldest: 9000,
    verdict: "lost kick",
    evidence: ["available stands at 7, used at 5: 2 buffers with the device", "a kick was due"],
  },
  { name: "net0:0 rx0", available: 5, used: 5 },
];
const before = (usedRate: number | null) =>
  reportOf(QUEUES.map((one, n) => n === 0 ? { ...one, usedRate } : one));
const EVENTS: Event[] = [before(0), before(4), before(null), before(1), reportOf(QUEUES)]
  .map((report) => ({ kind: "report", report }));

Deno.test("24 lines of 80: the worst first, and more of it below", () => {
  assertEquals(
    picture(after(start(80, 24), ...EVENTS)),
    `watch qemu:1  3 queues, 1 stuck               sort: worst, every 1.0s, 07:30:00Z

  VERDICT       QUEUE  RING           NOW   MAX USED/S AVERAGE HISTORY    OLDEST
> lost kick     net0:1 ...==.......     2     2      0       0     _____    9.0s
  moving        blk0:0 ==........::    10    12   8.00    7.50     _=?.#     3ms
  idle          net0:0 ...|........     0     0      0       0     _____







-- qemu:1/net0:1  virtio-net, queue 1 (tx0), split ring of 16 ------------------
            v available 7
  0 |.....==.........| 15
   used 5 ^
in flight 2 now, 2 worst; kick wanted, call not wanted (flags)
available 0/s, used 0/s now, 0/s on average; oldest 9.0s
_____  peak 0/s in 5 reports
lost kick: available stands at 7, used at 5: 2 buffers with the device; a kick
was due

q quit  ? help  Enter open  K kick  s sort  / filter  p pause  up down move`,
  );
});

Deno.test("evidence that is longer than the pane says that there is more of it", () => {
  const evidence = Array.from({ length: 50 }, (_, n) => `word${n}`);
  const report = reportOf([{ name: "blk0:0", verdict: "lost kick", evidence }]);
  const lines = (rows: number) =>
    picture(after(start(80, rows), { kind: "report", report })).split("\n");
  const last = lines(24).at(-2)!;
  assertEquals([last.endsWith("..."), last.length <= 80], [true, true], last);
  assert(lines(40).join("\n").includes("word34"), lines(40).join("\n"));
});

Deno.test("a wide terminal has every column, whole verdicts and the names of queues", () => {
  const lines = picture(after(start(150, 24), ...EVENTS)).split("\n");
  assertEquals(lines.slice(2, 5), [
    "  VERDICT              QUEUE           RING                         AVAIL  USED   NOW   MAX " +
    "USED/S AVERAGE HISTORY                    OLDEST NOTIFY",
    "> lost kick            net0:1 tx0      .....==.........                 7     5     2     2 " +
    "     0       0                     _____    9.0s kick",
    "  moving               blk0:0 request0 ====....................::::  1034  1024    10    12 " +
    "  8.00    7.50                     _=?.#     3ms kick",
  ]);
});

Deno.test("the smallest terminal: what matters most, and no pane", () => {
  assertEquals(
    picture(after(start(40, 8), ...EVENTS)),
    `watch qemu:1  3 queues, 1 stuck

  VERDICT       QUEUE  RING          NOW
> lost kick     net0:1 ...==......     2
  moving        blk0:0 ==.......::    10
  idle          net0:0 ...|.......     0

q quit  ? help  Enter open  K kick  s so`,
  );
});

Deno.test("a terminal that is too small is told so, and what is stuck", () => {
  assertEquals(
    picture(after(start(20, 5), ...EVENTS)),
    `20x5 is too small:
40x8 is wanted
1 of 3 queues stuck:
net0:1 lost kick
q quits`,
  );
  assertEquals(view(after(start(1, 1), ...EVENTS)), ["1"]);
});

Deno.test("before the first report there is a word", () => {
  assertEquals(
    picture(start(60, 8)),
    `watch qemu:1

the first report comes after one interval




q quit  ? help  Enter open  K kick  s sort  / filter  p paus`,
  );
});

Deno.test("a guest that is gone: the status says why, each row that it is", () => {
  const queues = QUEUES.map((queue) => ({ ...queue, verdict: null, usedRate: null }));
  const gone = reportOf(queues, { guest: { up: false, note: "QEMU 1 has exited\x1b[2J" } });
  assertEquals(
    picture(after(start(80, 8), ...EVENTS, { kind: "report", report: gone })),
    `watch qemu:1  3 queues, 0 stuck               sort: worst, every 1.0s, 07:30:00Z
gone: QEMU 1 has exited\\x1b[2J
  VERDICT       QUEUE  RING           NOW   MAX USED/S AVERAGE HISTORY    OLDEST
> gone          blk0:0 ==..........    10    12      ?    7.50    _=?.#?     3ms
  gone          net0:1 ...==.......     2     2      ?       0    _____?    9.0s
  gone          net0:0 ...|........     0     0      ?       0    _____?

q quit  ? help  Enter open  K kick  s sort  / filter  p pause  up down move`,
  );
});

Deno.test("pause, filter, notice, gaps and rings that are not there stand in the status", () => {
  const report = reportOf([{ ...QUEUES[0], gap: true }], { unreadable: 2 });
  const seen = after(start(160, 8), { kind: "report", report }, "p", "/", "b");
  assertEquals(picture(seen).split("\n")[1], "filter: b_");
  const kept = after(seen, "enter", { kind: "notice", text: "devices not read again" });
  assertEquals(
    picture(kept).split("\n")[1],
    "paused: p goes on; filter: b (1 match, Esc clears it); devices not read again; " +
      "?: moved too fast to be counted; 2 queues without a ring",
  );
});

Deno.test("an opened queue: its picture stands, its chains scroll", () => {
  const text = Array.from({ length: 20 }, (_, n) => `chain ${n}`).join("\n");
  const opened = after(
    start(80, 16),
    ...EVENTS,
    "j",
    "enter",
    { kind: "queue", target: "qemu:1/blk0:0", text },
    "j",
  );
  assertEquals(
    picture(after(opened, { kind: "size", size: { columns: 80, rows: 20 } })),
    `watch qemu:1  3 queues, 1 stuck               sort: worst, every 1.0s, 07:30:00Z

-- qemu:1/blk0:0  virtio-blk, queue 0 (request0), split ring of 64 -------------
               v available 1034
  0 |==========..............................................::::::::| 63
     ^ used 1024
in flight 10 now, 12 worst; kick wanted, call not wanted (flags)
available 9.00/s, used 8.00/s now, 7.50/s on average; oldest 3ms
_=?.#  peak 8.00/s in 5 reports
moving

chain 1
chain 2
chain 3
chain 4
chain 5
chain 6
chain 7
chain 8
Esc back  up down scroll  d descriptors  K kick  p pause  ? help`,
  );
  // Where there is no room for both the chains are shown.
  assertEquals(picture(opened).split("\n").slice(2, 4), ["chain 1", "chain 2"]);
});

Deno.test("a kick asks at the foot of the screen, and its proof stands there", () => {
  const target = "qemu:1/net0:1";
  const plan = { way: "ioeventfd", signals: "ioeventfd 15 of QEMU 1: write 1 (kick)" };
  const asking = after(start(60, 10), ...EVENTS, "K", { kind: "plan", target, plan });
  assertEquals(
    picture(asking).split("\n").slice(-5),
    [
      "  idle          net0:0 .....|..........     0      0",
      "------------------------------------------------------------",
      "kick qemu:1/net0:1?",
      "by ioeventfd: ioeventfd 15 of QEMU 1: write 1 (kick)",
      "y kicks, any other key does not",
    ],
  );
  const lines = ["counter 0 after 40 ms: QEMU took it", "used index 5 before, 7 after"];
  const done = after(asking, "y", { kind: "kicked", target, failed: false, lines });
  assertEquals(picture(done).split("\n").slice(-5), [
    "kicked qemu:1/net0:1",
    "ioeventfd 15 of QEMU 1: write 1 (kick)",
    ...lines,
    "any key goes on",
  ]);
  const failed = after(asking, "y", { kind: "kicked", target, failed: true, lines: ["no \x07"] });
  assertEquals(picture(failed).split("\n").slice(-4), [
    "qemu:1/net0:1 was not kicked",
    plan.signals,
    "no \\x07",
    "any key goes on",
  ]);
});

Deno.test("a question that is longer than the screen keeps its name and its keys", () => {
  const target = "qemu:1/net0:1";
  const plan = { way: "port", signals: "word ".repeat(200) };
  const asking = after(start(40, 8), ...EVENTS, "K", { kind: "plan", target, plan });
  const lines = view(asking);
  assertEquals(lines.length, 8);
  assertEquals([lines[2], lines[7]], [
    "kick qemu:1/net0:1?",
    "y kicks, any other key does not",
  ]);
});

Deno.test("no line is wider than the terminal, whatever names and sizes", () => {
  const odd = ["漢字".repeat(30), "e\u0301".repeat(50), "\u202e\x1b[31m", "👩‍👩‍👧‍👦".repeat(9), "\\"];
  const queues = odd.map((name, n): QueueSketch => ({
    name: `dev${n}${name.replace(/[: ]/g, "")}:0 ${name}`,
    evidence: [name],
    verdict: "corrupt",
  }));
  const report = reportOf(queues, { guest: { up: true, note: odd.join(" ") } });
  for (const color of [false, true]) {
    setColorEnabled(color);
    for (const [columns, rows] of [[20, 5], [40, 8], [80, 24], [81, 25], [200, 50]]) {
      const list = after(start(columns, rows, true), { kind: "report", report });
      const target = report.queues[0].target;
      const asking = after(list, "K", { kind: "plan", target, plan: { way: "", signals: odd[1] } });
      const help = after(list, "?");
      for (const state of [list, after(list, "j", "enter"), asking, help]) {
        const lines = view(state);
        assertEquals(lines.length, rows);
        for (const line of lines) {
          assert(wideWidth(line) <= columns, JSON.stringify([columns, line]));
          // deno-lint-ignore no-control-regex
          assert(!/[\x00-\x1a\x1c-\x1f\x7f-\x9f\u202e]/.test(line), JSON.stringify(line));
        }
      }
    }
  }
  setColorEnabled(false);
});

Deno.test("of ten thousand queues only those on the screen are rendered", () => {
  const many = Array.from({ length: 10_000 }, (_, n) => ({ name: `blk${n}:0` }));
  const report = reportOf(many);
  let rendered = 0;
  const counted = report.queues.map((queue) =>
    new Proxy(queue, {
      get(target, member, receiver) {
        if (member === "suppression" || member === "inFlightWorst") rendered++;
        return Reflect.get(target, member, receiver);
      },
    })
  );
  const state = after(start(150, 24), { kind: "report", report: { ...report, queues: counted } });
  view(state);
  assert(rendered > 0 && rendered < 50, `${rendered}`);
});
