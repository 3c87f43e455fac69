/**
 * Everything about one queue, in a few lines: below the list, and above an opened queue.
 *
 * @module
 */
import type { QueueRates } from "../../lib/watch/follow.ts";
import { KEPT, ratesOf } from "../screen/history.ts";
import type { Scene, State } from "../screen/state.ts";
import { bold, dim, red } from "./colors.ts";
import { queueTitle } from "./device.ts";
import { escape } from "./escape.ts";
import { cut, widthOf, wrap } from "./line.ts";
import { ringPicture } from "./ring_picture.ts";
import { durationText, plural, rateText } from "./size.ts";
import { peakOf, sparkline } from "./sparkline.ts";
import { VERDICT_PAINT } from "./verdict.ts";
import { recentOf, shownConfig } from "./watched_ring.ts";

/** Columns beside the cells of a picture: `  0 |` and `| 65535`. */
const BESIDE = 12;

/** `count` lines. `queue` is null where none is under the cursor. */
export function paneLines(state: State, queue: QueueRates | null, count: number): string[] {
  const { scene, size: { columns }, unicode } = state;
  const all = scene === null || queue === null ? [] : linesOf(state, scene, queue);
  const lines = Array.from({ length: count }, (_, n) => cut(all[n] ?? "", columns));
  if (all.length <= count || count === 0) return lines;
  const more = unicode ? "…" : "...";
  return [...lines.slice(0, -1), cut(lines[count - 1], columns - more.length) + more];
}

function linesOf({ size, unicode }: State, scene: Scene, queue: QueueRates): string[] {
  const rule = unicode ? "─" : "-";
  const title = `${dim(rule + rule)} ${bold(escape(queue.target))}  ${escape(titleOf(queue))} `;
  return [
    title + dim(rule.repeat(Math.max(0, size.columns - widthOf(title)))),
    ...picture(queue, size.columns - BESIDE),
    places(queue),
    rates(queue),
    past(scene, queue, size.columns, unicode),
    ...wrap(state(scene, queue), size.columns),
  ];
}

function titleOf({ device, queue, config }: QueueRates): string {
  return `${queueTitle(device, queue)}, ${config.format} ring of ${config.size}`;
}

/** Three lines: the legend is in the help. */
function picture(queue: QueueRates, width: number): string[] {
  const { indices } = queue;
  if (indices === null) return ["", red("the ring can not be read"), ""];
  const shown = { ...indices, config: shownConfig(queue) };
  const lines = ringPicture(shown, width, recentOf(queue)).split("\n");
  return [0, 1, 2].map((n) => lines[n] ?? "");
}

function places({ indices, inFlightWorst, suppression }: QueueRates): string {
  if (indices === null) return "";
  const { kickWanted, callWanted, by } = suppression;
  const wanted = (is: boolean) => is ? "wanted" : "not wanted";
  return `in flight ${
    indices.exact ? "" : "at most "
  }${indices.inFlight} now, ${inFlightWorst} worst; ` +
    `kick ${wanted(kickWanted)}, call ${wanted(callWanted)} (${by})`;
}

function rates({ availableRate, usedRate, usedAverage, oldest }: QueueRates): string {
  const age = oldest === null || oldest < 1 ? "" : `; oldest ${durationText(oldest)}`;
  return `available ${rateText(availableRate)}/s, used ${rateText(usedRate)}/s now, ` +
    `${rateText(usedAverage)}/s on average${age}`;
}

function past({ history }: Scene, { target }: QueueRates, columns: number, unicode: boolean) {
  const seen = ratesOf(history, target, KEPT);
  const peak = `peak ${rateText(peakOf(seen))}/s in ${plural(seen.length, "report")}`;
  const width = Math.min(seen.length, columns - peak.length - 2);
  return `${sparkline(seen, Math.max(0, width), unicode)}  ${dim(peak)}`;
}

function state({ report }: Scene, { verdict, evidence }: QueueRates): string {
  if (!report.guest.up) return red("gone");
  if (verdict === null) return dim("too early to say");
  const why = evidence.length === 0 ? "" : `: ${escape(evidence.join("; "))}`;
  return VERDICT_PAINT[verdict](verdict) + why;
}
