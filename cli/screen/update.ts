/**
 * What an event makes of the state. Pure: whoever runs it looks at the state for what is to be done.
 *
 * @module
 */
import { copyOfQueue } from "../../lib/watch/follow.ts";
import { HELP_LINES } from "../render/watch_screen_help.ts";
import { remember } from "./history.ts";
import { layoutOf } from "./layout.ts";
import { arrange, countStuck, ORDERS } from "./order.ts";
import { cursorRow, type Event, type Opened, type Scene, type State, targetAt } from "./state.ts";

/** The state after an event. */
export function update(state: State, event: Event): State {
  switch (event.kind) {
    case "key":
      return onKey(state, event.key);
    case "report":
      return onReport(state, event);
    case "size":
      return scrolled({ ...state, size: event.size });
    case "notice":
      return { ...state, notice: { text: event.text, reports: noticeLasts(state) } };
    case "queue":
      return onQueue(state, event);
    case "plan":
      return onPlan(state, event);
    case "kicked":
      return onKicked(state, event);
  }
}

type EventOf<K extends Event["kind"]> = Extract<Event, { kind: K }>;

function onReport(state: State, { report }: EventOf<"report">): State {
  const history = remember(state.latest?.history ?? [], report);
  const latest = { report, history, stuck: countStuck(report) };
  // What was said while the guest was gone is no news once it is back.
  const isBack = report.guest.up && state.latest?.report.guest.up === false;
  const notice = isBack ? null : noticeAfter(state.notice);
  return state.paused
    ? { ...state, latest, notice }
    : arranged({ ...state, latest, notice, scene: latest });
}

/** Milliseconds in which a notice can be read. */
const NOTICE = 15_000;

function noticeLasts({ interval }: State): number {
  return Math.max(2, Math.ceil(NOTICE / interval));
}

function noticeAfter(notice: State["notice"]): State["notice"] {
  return notice === null || notice.reports <= 1 ? null : { ...notice, reports: notice.reports - 1 };
}

function onQueue(state: State, { target, text }: EventOf<"queue">): State {
  const { opened, paused } = state;
  if (opened?.target !== target || paused && opened.text !== "") return state;
  return withOpened(state, { ...opened, text });
}

function onPlan(state: State, { target, plan }: EventOf<"plan">): State {
  const { kicking } = state;
  if (kicking?.phase !== "planning" || kicking.target !== target) return state;
  return { ...state, kicking: { phase: "asking", target, plan } };
}

function onKicked(state: State, { target, failed, lines }: EventOf<"kicked">): State {
  const { kicking } = state;
  if (kicking === null || kicking.target !== target) return state;
  const plan = kicking.phase === "planning" ? null : kicking.plan;
  return { ...state, kicking: { phase: "done", target, plan, failed, lines } };
}

/** A key goes to what is uppermost. */
function onKey(state: State, key: string): State {
  if (key === "ctrl-c") return { ...state, ended: "interrupted" };
  if (state.kicking !== null) return kickKey(state, key);
  if (state.help !== null) return helpKey(state, key);
  if (state.typing !== null) return filterKey(state, state.typing, key);
  if (state.opened !== null) return openedKey(state, state.opened, key);
  return listKey(state, key);
}

function kickKey(state: State, key: string): State {
  const { kicking } = state;
  if (kicking === null || kicking.phase === "sending") return state;
  if (kicking.phase === "planning") return key === "escape" ? { ...state, kicking: null } : state;
  return kicking.phase === "asking" && key === "y"
    ? { ...state, kicking: { ...kicking, phase: "sending" } }
    : { ...state, kicking: null };
}

function helpKey(state: State, key: string): State {
  const { page } = layoutOf(state.size);
  const by = scrollBy(key, page);
  if (by === null) return { ...state, help: null };
  return { ...state, help: clamp((state.help ?? 0) + by, HELP_LINES.length - page) };
}

function filterKey(state: State, typing: string, key: string): State {
  if (key === "enter") return { ...state, typing: null };
  if (key === "escape") return arranged({ ...state, typing: null, filter: "" });
  const text = key === "backspace"
    ? Array.from(typing).slice(0, -1).join("")
    : key === "ctrl-u"
    ? ""
    : isCharacter(key)
    ? typing + key
    : typing;
  return arranged({ ...state, typing: text, filter: text });
}

/** Keys of the list and of an opened queue alike; null for another one. */
function commonKey(state: State, key: string): State | null {
  switch (key) {
    case "?":
      return { ...state, help: 0 };
    case "p":
    case " ":
      return state.paused
        ? arranged({ ...state, paused: false, scene: state.latest })
        : { ...state, paused: true, scene: frozen(state.scene) };
    case "K": {
      const target = state.opened?.target ?? targetAt(state, cursorRow(state));
      return target === null ? state : { ...state, kicking: { phase: "planning", target } };
    }
    default:
      return null;
  }
}

/** A scene that stands: queues of a report say something else with the next one. */
function frozen(scene: Scene | null): Scene | null {
  if (scene === null) return null;
  const { report } = scene;
  return { ...scene, report: { ...report, queues: report.queues.map(copyOfQueue) } };
}

function openedKey(state: State, opened: Opened, key: string): State {
  if (["escape", "q", "left", "backspace", "h"].includes(key)) return { ...state, opened: null };
  if (key === "d") {
    const descriptors = !opened.descriptors;
    return withOpened(state, { ...opened, descriptors, text: "" });
  }
  const by = scrollBy(key, layoutOf(state.size).opened);
  if (by !== null) return withOpened(state, { ...opened, top: opened.top + by });
  return commonKey(state, key) ?? state;
}

function listKey(state: State, key: string): State {
  const by = scrollBy(key, layoutOf(state.size).list);
  if (by !== null) return moved(state, by);
  switch (key) {
    case "q":
      return { ...state, ended: "quit" };
    case "enter":
    case "right":
    case "l": {
      const target = targetAt(state, cursorRow(state));
      return target === null
        ? state
        : { ...state, selected: target, opened: { target, text: "", top: 0, descriptors: false } };
    }
    case "s":
    case "S": {
      const step = key === "s" ? 1 : ORDERS.length - 1;
      const order = ORDERS[(ORDERS.indexOf(state.order) + step) % ORDERS.length];
      return arranged({ ...state, order });
    }
    case "/":
      return { ...state, typing: state.filter };
    case "escape":
      return arranged({ ...state, filter: "", notice: null });
    default:
      return commonKey(state, key) ?? state;
  }
}

/** Lines that a key moves by; null where it is no such key. */
function scrollBy(key: string, page: number): number | null {
  const by: Record<string, number> = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "pageup": -page,
    "ctrl-b": -page,
    "pagedown": page,
    "ctrl-f": page,
    "home": -Infinity,
    "g": -Infinity,
    "end": Infinity,
    "G": Infinity,
  };
  return Object.hasOwn(by, key) ? by[key] : null;
}

function moved(state: State, by: number): State {
  const row = clamp(cursorRow(state) + by, state.rows.length - 1);
  // At the top by Home, the cursor stays with the first row, whichever queue that will be.
  const selected = by === -Infinity ? null : targetAt(state, row);
  return scrolled({ ...state, selected });
}

/** With the rows as report, order and filter want them. */
function arranged(state: State): State {
  const { scene, order, filter } = state;
  if (scene === null) return state;
  return scrolled({ ...state, rows: arrange(scene.report, order, filter) });
}

/** With the cursor on the screen, and no room left empty below. */
function scrolled(state: State): State {
  const { list } = layoutOf(state.size);
  const row = cursorRow(state);
  const near = Math.min(Math.max(state.top, row - list + 1), row);
  const top = clamp(near, state.rows.length - list);
  return state.opened === null ? { ...state, top } : withOpened({ ...state, top }, state.opened);
}

function withOpened(state: State, opened: Opened): State {
  const { opened: page } = layoutOf(state.size);
  const lines = opened.text === "" ? Infinity : opened.text.split("\n").length;
  const top = opened.text === "" && opened.top === Infinity ? 0 : opened.top;
  return { ...state, opened: { ...opened, top: clamp(top, lines - page) } };
}

/** From 0 to `most`, or 0. */
function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}

/** A character, and not the name of a key. */
function isCharacter(key: string): boolean {
  return Array.from(key).length === 1;
}
