/**
 * What the full-screen view knows, and what can happen to it.
 *
 * ```text
 *   key, report, size ──▶ update(state, event) ──▶ state ──▶ view(state) ──▶ lines
 * ```
 *
 * @module
 */
import type { WatchReport } from "../../lib/watch/follow.ts";
import type { History } from "./history.ts";
import type { Order } from "./order.ts";

/** A terminal's size. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** A report, and the reports before it. */
export interface Scene {
  readonly report: WatchReport;
  readonly history: History;
  /** Queues that hang. */
  readonly stuck: number;
}

/** A queue that was opened. */
export interface Opened {
  readonly target: string;
  /** What was read of it last, rendered; empty before the first reading. */
  readonly text: string;
  /** Lines of the text above the first that is shown. */
  readonly top: number;
  /** Descriptors are shown, too. */
  readonly descriptors: boolean;
}

/** A kick on its way: what will be signalled is found out, asked for, done, and proven. */
export type Kicking =
  | { readonly phase: "planning"; readonly target: string }
  | { readonly phase: "asking"; readonly target: string; readonly plan: KickPlan }
  | { readonly phase: "sending"; readonly target: string; readonly plan: KickPlan }
  | {
    readonly phase: "done";
    readonly target: string;
    /** Null where no way was found. */
    readonly plan: KickPlan | null;
    readonly failed: boolean;
    /** What came of it, a line each. */
    readonly lines: readonly string[];
  };

/** What a kick will signal. */
export interface KickPlan {
  /** `ioeventfd` */
  readonly way: string;
  readonly signals: string;
}

/** Everything. */
export interface State {
  /** What is watched, as it was asked for: `qemu:4242`. */
  readonly target: string;
  /** Milliseconds between two reports. */
  readonly interval: number;
  readonly size: Size;
  /** Keys can be read. */
  readonly keys: boolean;
  /** What the terminal shows beyond ASCII. */
  readonly unicode: boolean;
  /** What is shown; null before the first report. */
  readonly scene: Scene | null;
  /** What is newest: another one while paused. */
  readonly latest: Scene | null;
  readonly paused: boolean;
  readonly order: Order;
  readonly filter: string;
  /** The filter as it is being typed; null where it is not. */
  readonly typing: string | null;
  /** Places in the report of the queues that are shown, in order. */
  readonly rows: Uint32Array;
  /** The queue under the cursor; null while the cursor stays on the first row, whichever it is. */
  readonly selected: string | null;
  /** Rows above the first that is on the screen. */
  readonly top: number;
  readonly opened: Opened | null;
  readonly kicking: Kicking | null;
  /** Lines of the help above the first that is shown; null where help is not shown. */
  readonly help: number | null;
  /** What the tool has to say, the last of it; null for nothing. */
  readonly notice: { readonly text: string; readonly reports: number } | null;
  /** The view is to end. */
  readonly ended: "quit" | "interrupted" | null;
}

/** What can happen. */
export type Event =
  /** A character, or the name of another key: `up`, `pagedown`, `enter`, `escape`, `ctrl-c`. */
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "report"; readonly report: WatchReport }
  | { readonly kind: "size"; readonly size: Size }
  | { readonly kind: "notice"; readonly text: string }
  /** The opened queue was read. */
  | { readonly kind: "queue"; readonly target: string; readonly text: string }
  | { readonly kind: "plan"; readonly target: string; readonly plan: KickPlan }
  | {
    readonly kind: "kicked";
    readonly target: string;
    readonly failed: boolean;
    readonly lines: readonly string[];
  };

/** Before anything happened. */
export function initialState(
  start: Pick<State, "target" | "interval" | "size" | "keys" | "unicode">,
): State {
  return {
    ...start,
    scene: null,
    latest: null,
    paused: false,
    order: "worst",
    filter: "",
    typing: null,
    rows: new Uint32Array(),
    selected: null,
    top: 0,
    opened: null,
    kicking: null,
    help: null,
    notice: null,
    ended: null,
  };
}

/** The target of a row; null where there is none. */
export function targetAt({ scene, rows }: State, row: number): string | null {
  return row < 0 || row >= rows.length || scene === null
    ? null
    : scene.report.queues[rows[row]].target;
}

/** The row of the cursor; 0 where the queue that was selected is not shown. */
export function cursorRow(state: State): number {
  const { scene, rows, selected } = state;
  if (scene === null || selected === null) return 0;
  return Math.max(0, rows.findIndex((place) => scene.report.queues[place].target === selected));
}
