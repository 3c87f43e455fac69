/**
 * A diagnosis for a person, for awk, and as JSON.
 *
 * @module
 */
import type { GuestReport } from "../../lib/diagnose/guest.ts";
import type { QueueReport } from "../../lib/diagnose/observe.ts";
import type { RingSnapshot } from "../../lib/ring/snapshot.ts";
import { isUnreadable } from "../../lib/ring/unreadable.ts";
import { dim, red } from "./colors.ts";
import { escape } from "./escape.ts";
import { fitTable } from "./fit.ts";
import { jsonLine } from "./json.ts";
import { wrap } from "./line.ts";
import { type Cell, renderPlain, type Table } from "./table.ts";
import { VERDICT_PAINT } from "./verdict.ts";

/** Whether a queue wants attention. A queue that the driver never set up does not. */
export function isStuck({ verdict, snapshot }: QueueReport): boolean {
  return verdict !== "moving" && verdict !== "idle" &&
    (verdict !== "not ready" || snapshot !== null);
}

/** Column of how long a queue was looked at. */
const FOR = "FOR";
const ONE_MOMENT = "a dump shows one moment: not what moved, nor for how long it stood";

/**
 * Columns that go first where there is no room. Evidence and target say those again; whose turn it is and
 * since when is what was asked.
 */
const SPARE = ["AVAILABLE", "USED", "QUEUE", "IN FLIGHT", FOR, "TURN"];

/** A line per queue, worst first, then the evidence for those that are stuck. */
export function renderDiagnosis(report: GuestReport, all: boolean, width: number): string {
  const shown = all ? report.queues : report.queues.filter((queue) => queue.snapshot !== null);
  const table = diagnosisTable(folded(shown));
  const parts = [
    report.halted === null ? "" : red(escape(report.halted)),
    fitTable(
      shown.every(({ observed }) => observed === null) ? untimed(table) : table,
      width,
      SPARE,
    ),
    report.still ? wrap(dim(ONE_MOMENT), width).join("\n") : "",
    ...shown.filter(isStuck).map((queue) => evidence(queue, width)),
    left(report.queues.length - shown.length),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** Rows in a row that are worth one: two lines say more than the fold of them. */
const FOLD = 3;

/** A report, or the first of several in a row of which nothing is to be said but how many there are. */
interface Row {
  readonly queue: QueueReport;
  /** Target of the last, where there are several. */
  readonly last: string | null;
}

/** Runs of a device's queues that were never used as one row each: a serial device has dozens. */
function folded(queues: readonly QueueReport[]): Row[] {
  const runs: QueueReport[][] = [];
  for (const queue of queues) {
    const run = runs.at(-1);
    const follows = run !== undefined && isUnused(queue) && isNext(run[run.length - 1], queue);
    if (follows) run.push(queue);
    else runs.push([queue]);
  }
  return runs.flatMap((run): Row[] =>
    run.length < FOLD
      ? run.map((queue) => ({ queue, last: null }))
      : [{ queue: run[0], last: run[run.length - 1].target }]
  );
}

/** Nothing was ever made available in it. */
function isUnused({ verdict, snapshot }: QueueReport): boolean {
  if (verdict !== "idle" || snapshot === null || isUnreadable(snapshot)) return false;
  const { available, used } = snapshot;
  return [available, used].every(({ index, wrap }) => index === 0 && wrap !== false);
}

function isNext(before: QueueReport, queue: QueueReport): boolean {
  const [device, index] = placeOf(before.target);
  const [ofDevice, next] = placeOf(queue.target);
  return isUnused(before) && device === ofDevice && Number(next) === Number(index) + 1;
}

/** Device and queue of a target: `qemu:4242/serial0`, `4`. */
function placeOf(target: string): [device: string, index: string] {
  const colon = target.lastIndexOf(":");
  return [target.slice(0, colon), target.slice(colon + 1)];
}

/** A line per queue: for `--plain`. */
export function diagnosisPlain(queues: readonly QueueReport[]): string {
  return renderPlain(diagnosisTable(queues.map((queue) => ({ queue, last: null }))));
}

/** Queues of a fold are named by their numbers, and the target is their device's. */
function namesOf({ queue, last }: Row): [queue: string, target: string] {
  if (last === null) return [queue.queue, queue.target];
  const [device, first] = placeOf(queue.target);
  return [`${first} to ${placeOf(last)[1]}`, device];
}

function diagnosisTable(rows: readonly Row[]): Table {
  const cells = ({ queue, last }: Row): Cell[] => [
    { text: queue.verdict, paint: VERDICT_PAINT[queue.verdict] },
    queue.turn === "nobody" ? "" : queue.turn,
    place(queue, ({ available }) => available.index),
    place(queue, ({ used }) => used.index),
    place(queue, ({ inFlight }) => inFlight),
    seconds(queue.observed),
    ...namesOf({ queue, last }),
  ];
  const columns = [
    { head: "VERDICT" },
    { head: "TURN" },
    { head: "AVAILABLE", align: "right" as const },
    { head: "USED", align: "right" as const },
    { head: "IN FLIGHT", align: "right" as const },
    { head: FOR, align: "right" as const },
    { head: "QUEUE" },
    { head: "TARGET" },
  ];
  return { columns, rows: rows.map(cells) };
}

/** Empty where there is no ring, and a dash where there is one that could not be read. */
function place({ snapshot }: QueueReport, of: (snapshot: RingSnapshot) => number): string {
  if (snapshot === null) return "";
  return isUnreadable(snapshot) ? "-" : String(of(snapshot));
}

/** The table without FOR: where nobody has looked twice there is no time to tell. */
function untimed({ columns, rows }: Table): Table {
  const at = columns.findIndex(({ head }) => head === FOR);
  const without = <T>(list: readonly T[]) => list.filter((_, n) => n !== at);
  return { columns: without(columns), rows: rows.map(without) };
}

/** One object, `guestmem/diagnosis/1`. What could not be read is null, never 0. */
export function diagnosisJson({ target, halted, still, queues }: GuestReport): string {
  const plain = queues.map(({ snapshot, ...rest }) => {
    const read = snapshot === null || isUnreadable(snapshot) ? null : snapshot;
    return {
      ...rest,
      available: read?.available.index ?? null,
      used: read?.used.index ?? null,
      inFlight: read?.inFlight ?? null,
    };
  });
  return jsonLine("guestmem/diagnosis/1", { target, halted, still, queues: plain });
}

/** A command to type next stays in one piece. */
function evidence(queue: QueueReport, width: number): string {
  const lines = queue.evidence.flatMap((text) => wrap(escape(text), width - 2))
    .map((line) => `  ${line}`);
  const next = queue.next === "" ? [] : [`  next: ${escape(queue.next)}`];
  return [
    `${VERDICT_PAINT[queue.verdict](queue.verdict)}  ${escape(queue.target)}`,
    ...lines,
    ...next,
  ]
    .join("\n");
}

function left(count: number): string {
  if (count === 0) return "";
  return dim(
    `${count} ${count === 1 ? "queue has" : "queues have"} no ring to read (--all says why)`,
  );
}

function seconds(milliseconds: number | null): string {
  return milliseconds === null ? "" : `${(milliseconds / 1000).toFixed(1)} s`;
}
