/**
 * What `kick` shows.
 *
 * @module
 */
import type { Kick } from "../../lib/kick/kick.ts";
import type { Movement } from "../../lib/kick/movement.ts";
import { escape } from "./escape.ts";
import { renderPlain, type Table } from "./table.ts";

/** The ways to notify a queue, possible or not. `chosen` is marked as the one that will be taken. */
export function kickWaysTable(ways: readonly Kick[], chosen: Kick | null = null): Table {
  return {
    columns: [{ head: "WAY" }, { head: "POSSIBLE" }, { head: "WHAT" }],
    rows: ways.map((way) => [
      way.name,
      possibleText(way, way === chosen),
      way.possible === true ? way.describe() : reasonText(way.possible, way.remedy),
    ]),
  };
}

function reasonText(why: string, remedy = ""): string {
  return remedy === "" ? why : `${why}: ${remedy}`;
}

function possibleText({ name, possible, lastResort }: Kick, chosen: boolean): string {
  if (possible !== true) return "no";
  if (chosen) return "yes, taken";
  return lastResort ? `with --via ${name}` : "yes";
}

/** The same for scripts: `signals` is null where a way is not possible, else `reason` is. */
export function kickWaysJson(ways: readonly Kick[], chosen: Kick | null): unknown[] {
  return ways.map((way) => ({
    name: way.name,
    possible: way.possible === true,
    reason: way.possible === true ? null : way.possible,
    remedy: way.possible === true ? null : way.remedy || null,
    signals: way.possible === true ? way.describe() : null,
    lastResort: way.lastResort,
    taken: way === chosen,
  }));
}

/** What was seen after a notification: a line each, without line end. */
export function kickText(
  evidence: readonly string[],
  { before, after }: Movement,
  milliseconds: number,
): string {
  return [...evidence.map(escape), movementText({ before, after }, milliseconds)].join("\n");
}

/** The same for scripts: target, way, evidence, and the used index before and after where known. */
export function kickPlain(
  target: string,
  way: string,
  evidence: readonly string[],
  { before, after }: Movement,
): string {
  const indices = [before, after].map((one) => one === null ? "" : `${one.used}`);
  return renderPlain({ columns: [], rows: [[target, way, evidence.join("; "), ...indices]] });
}

/** Whether the queue moved. */
export function movementText({ before, after }: Movement, milliseconds: number): string {
  if (before === null || after === null) {
    return "no ring could be read, so nothing more is known";
  }
  if (before.used !== after.used) return `used index ${before.used} before, ${after.used} after`;
  const idle = before.used === before.available ? ": nothing was waiting" : "";
  return `used index still ${after.used} after ${milliseconds} ms${idle}`;
}

/** What several kicks came to, without line end. */
export function kicksText(sent: number, milliseconds: number, { before, after }: Movement): string {
  const moved = before === null || after === null
    ? "the ring can not be read"
    : `used index ${before.used} at first, ${after.used} now`;
  return `${sent} sent in ${(milliseconds / 1000).toFixed(2)} s: ${moved}`;
}
