/**
 * What `kick` shows.
 *
 * @module
 */
import type { Kick } from "../../lib/kick/kick.ts";
import type { Movement } from "../../lib/kick/movement.ts";
import { escape } from "./escape.ts";
import type { Table } from "./table.ts";

/** The ways to notify a queue, possible or not. */
export function kickWaysTable(ways: readonly Kick[]): Table {
  return {
    columns: [{ head: "WAY" }, { head: "POSSIBLE" }, { head: "WHAT" }],
    rows: ways.map((way) => [
      way.name,
      way.possible !== true ? "no" : way.lastResort ? `with --via ${way.name}` : "yes",
      way.possible === true ? way.describe() : way.possible,
    ]),
  };
}

/** What was seen after a notification: a line each, without line end. */
export function kickText(
  evidence: readonly string[],
  { before, after }: Movement,
  milliseconds: number,
): string {
  return [...evidence.map(escape), movementText(before, after, milliseconds)].join("\n");
}

function movementText(
  before: Movement["before"],
  after: Movement["after"],
  milliseconds: number,
): string {
  if (before === null || after === null) {
    return "the ring can not be read, so nothing more is known";
  }
  if (before.used !== after.used) return `used index ${before.used} before, ${after.used} after`;
  const idle = before.used === before.available ? ": nothing was waiting" : "";
  return `used index still ${after.used} after ${milliseconds} ms${idle}`;
}
