/**
 * Random keys, sizes and guests with the worst of names through the full-screen view of `watch`: every
 * picture has the terminal's size, and nothing in it acts on the terminal.
 *
 * @module
 */
import wideWidth from "fast-string-width";
import { view } from "../../cli/render/watch_screen.ts";
import { cursorRow, type Event, initialState, type State } from "../../cli/screen/state.ts";
import { update } from "../../cli/screen/update.ts";
import { VERDICTS } from "../../lib/ring/stall.ts";
import { watched } from "../support/watch_reports.ts";
import { nastyText, unsafeIn } from "./nasty.ts";
import { Random } from "./random.ts";

const KEYS = [
  ...["up", "down", "pageup", "pagedown", "home", "end", "j", "k", "g", "G", "enter", "enter"],
  ...["escape", "left", "right", "s", "S", "/", "p", "K", "K", "y", "y", "?", "d", "q", "x", "漢"],
  ...["backspace", "ctrl-u", "ctrl-z", "alt-x", "f5", "tab", "\u202e"],
];

/** Throws where a picture is wrong. */
export function fuzzScreen(seed: number): void {
  const random = new Random(seed);
  let state = initialState({
    target: nastyText(random),
    interval: random.between(1, 5000),
    size: sizeOf(random),
    keys: !random.oneIn(5),
    unicode: random.oneIn(2),
  });
  for (let turn = 0; turn < 20; turn++) {
    state = update(state, eventOf(random, state));
    check(state);
  }
}

function sizeOf(random: Random): State["size"] {
  return random.oneIn(3)
    ? { columns: random.between(1, 40), rows: random.between(1, 9) }
    : { columns: random.between(40, 200), rows: random.between(8, 60) };
}

function eventOf(random: Random, state: State): Event {
  switch (random.below(12)) {
    case 0:
      return { kind: "size", size: sizeOf(random) };
    case 1:
      return { kind: "notice", text: nastyText(random) };
    case 2: {
      const target = state.opened?.target ?? "";
      return { kind: "queue", target, text: "line\n".repeat(random.below(80)) };
    }
    case 3: {
      const plan = { way: nastyText(random), signals: nastyText(random).repeat(random.below(40)) };
      return { kind: "plan", target: state.kicking?.target ?? "", plan };
    }
    case 4: {
      const lines = Array.from({ length: random.below(9) }, () => nastyText(random));
      const target = state.kicking?.target ?? "";
      return { kind: "kicked", target, failed: random.oneIn(2), lines };
    }
    case 5:
    case 6:
      return reportOf(random);
    default:
      return { kind: "key", key: random.pick(KEYS) };
  }
}

function reportOf(random: Random): Event {
  const count = random.oneIn(4) ? 0 : random.below(40);
  const queues = Array.from({ length: count }, (_, n) => {
    const size = random.oneIn(3) ? random.odd32() : random.between(1, 300);
    const queue = watched({
      name: `q${n}:${n}`,
      size,
      available: random.odd16(),
      used: random.odd16(),
      inFlight: random.odd16(),
      usedRate: random.oneIn(4) ? null : random.odd32(),
      usedAverage: random.oneIn(4) ? null : random.odd32(),
      elapsed: random.odd16(),
      oldest: random.oneIn(4) ? null : random.odd32(),
      verdict: random.oneIn(4) ? null : random.pick(VERDICTS),
      evidence: [nastyText(random)],
    });
    const name = nastyText(random);
    const device = { ...queue.device, name };
    const target = `${name}:${n}`;
    const indices = random.oneIn(5) ? null : queue.indices;
    return { ...queue, target, device, queue: { ...queue.queue, name }, indices };
  });
  const guest = { up: !random.oneIn(4), note: random.oneIn(2) ? "" : nastyText(random) };
  return { kind: "report", report: { time: 0, guest, queues, unreadable: random.below(3) } };
}

function check(state: State): void {
  const { columns, rows } = state.size;
  const lines = view(state);
  if (lines.length !== rows) throw new Error(`${lines.length} lines of ${rows}`);
  for (const line of lines) {
    const unsafe = unsafeIn(line) ?? (line.includes("\n") ? "a line end" : null);
    if (unsafe !== null) throw new Error(`the screen lets through ${unsafe}`);
    const width = wideWidth(line);
    if (width > columns) throw new Error(`${width} of ${columns} columns: ${JSON.stringify(line)}`);
  }
  const { top } = state;
  const most = Math.max(0, state.rows.length - 1);
  const cursor = cursorRow(state);
  if (top < 0 || top > most || cursor < 0 || cursor > most) throw new Error(`${top}, ${cursor}`);
}
