/**
 * The full-screen view of `watch`: a state as the lines of a terminal. Pure.
 *
 * @module
 */
import type { QueueRates } from "../../lib/watch/follow.ts";
import { layoutOf, SMALLEST } from "../screen/layout.ts";
import { isStuckVerdict } from "../screen/order.ts";
import { cursorRow, type State, targetAt } from "../screen/state.ts";
import { bold, dim, red, yellow } from "./colors.ts";
import { escape } from "./escape.ts";
import { timeText } from "./json.ts";
import { cut, spread, wrap } from "./line.ts";
import { durationText, plural } from "./size.ts";
import { HELP_LINES } from "./watch_screen_help.ts";
import { kickLines } from "./watch_screen_kick.ts";
import { listLines } from "./watch_screen_list.ts";
import { paneLines } from "./watch_screen_pane.ts";

/** As many lines as the terminal has, none of them wider than it is. */
export function view(state: State): string[] {
  const { columns, rows } = state.size;
  const lines = layoutOf(state.size).fits ? screen(state) : tooSmall(state);
  return Array.from({ length: rows }, (_, n) => cut(lines[n] ?? "", columns));
}

function screen(state: State): string[] {
  const { rows } = state.size;
  const top = [title(state), status(state), ...body(state)];
  const frame = [
    ...Array.from({ length: rows - 1 }, (_, n) => top[n] ?? ""),
    keys(state),
  ];
  const dialog = kickLines(state);
  return [...frame.slice(0, Math.max(0, rows - dialog.length)), ...dialog];
}

/** Says so, and the one thing that must be seen. */
function tooSmall(state: State): string[] {
  const { columns, rows } = state.size;
  const text = [
    `${columns}x${rows} is too small: ${SMALLEST.columns}x${SMALLEST.rows} is wanted`,
    summary(state),
    state.keys ? "q quits" : "Ctrl-C quits",
  ];
  return text.filter((part) => part !== "").flatMap((part) => wrap(part, columns));
}

function summary({ scene, rows }: State): string {
  if (scene === null) return "";
  const { stuck, report: { guest, queues } } = scene;
  if (!guest.up) return "the guest is gone";
  const worst = queues[rows[0]];
  const named = stuck === 0 || worst === undefined || !isStuckVerdict(worst.verdict)
    ? ""
    : `: ${escape(worst.device.name)}:${worst.queue.index} ${worst.verdict}`;
  return `${stuck} of ${plural(queues.length, "queue")} stuck${named}`;
}

function body(state: State): string[] {
  const { help, opened, scene, size } = state;
  const layout = layoutOf(size);
  if (help !== null) return HELP_LINES.slice(help, help + layout.page);
  if (scene === null) return [dim("the first report comes after one interval")];
  if (opened === null) {
    const { list, pane } = layout;
    const lines = listLines(state);
    if (pane === 0) return lines;
    const above = Array.from({ length: list + 1 }, (_, n) => lines[n] ?? "");
    const queue = queueOf(state, targetAt(state, cursorRow(state)));
    return [...above, ...paneLines(state, queue, pane)];
  }
  const head = paneLines(state, queueOf(state, opened.target), layout.openedPane);
  const text = opened.text === "" ? dim("reading …") : opened.text;
  return [...head, ...text.split("\n").slice(opened.top, opened.top + layout.opened)];
}

function queueOf({ scene }: State, target: string | null): QueueRates | null {
  return scene?.report.queues.find((queue) => queue.target === target) ?? null;
}

function title(state: State): string {
  const { target, scene, order, interval, size } = state;
  const left = `${bold("watch")} ${escape(target)}`;
  if (scene === null) return left;
  const { stuck, report: { queues, time } } = scene;
  const count = `${plural(queues.length, "queue")}, ${stuck} stuck`;
  const clock = `${timeText(time).slice(11, 19)}Z`;
  return spread(
    `${left}  ${stuck > 0 ? red(count) : count}`,
    `sort: ${order}, every ${durationText(interval)}, ${clock}`,
    size.columns,
  );
}

function status(state: State): string {
  const { scene, typing, filter, paused, notice, rows, size: { columns }, unicode } = state;
  if (typing !== null) return `filter: ${escape(typing)}_`;
  const report = scene?.report;
  const guest = report?.guest;
  const parts = [
    guest !== undefined && !guest.up ? red(`gone: ${escape(guest.note)}`) : "",
    guest?.up && guest.note !== "" ? yellow(escape(guest.note)) : "",
    paused ? yellow("paused: p goes on") : "",
    filter === "" ? "" : `filter: ${escape(filter)} (${rows.length} match, Esc clears it)`,
    // Of a guest that is gone its note says all.
    notice === null || guest?.up === false ? "" : escape(notice.text),
    report?.queues.some(({ gap }) => gap) ? dim("?: moved too fast to be counted") : "",
    report === undefined || report.unreadable === 0
      ? ""
      : dim(`${plural(report.unreadable, "queue")} without a ring`),
  ];
  return cut(parts.filter((part) => part !== "").join("; "), columns, unicode ? "…" : "...");
}

/** What the keys do, the most wanted first. */
function keys(state: State): string {
  if (!state.keys) return dim("Ctrl-C quits; keys can not be read: stdin is no terminal");
  const hints = state.help !== null
    ? ["up down scroll", "any other key closes"]
    : state.typing !== null
    ? ["Enter keeps the filter", "Esc clears it"]
    : state.opened !== null
    ? ["Esc back", "up down scroll", "d descriptors", "K kick", "p pause", "? help"]
    : ["q quit", "? help", "Enter open", "K kick", "s sort", "/ filter", "p pause", "up down move"];
  return cut(dim(hints.join("  ")), state.size.columns);
}
