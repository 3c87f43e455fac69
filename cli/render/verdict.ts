/**
 * Verdicts in colour.
 *
 * @module
 */
import type { Verdict } from "../../lib/ring/stall.ts";
import { dim, green, type Paint, red, yellow } from "./colors.ts";

/** The colour of each verdict. */
export const VERDICT_PAINT: Readonly<Record<Verdict, Paint>> = {
  "corrupt": red,
  "lost kick": red,
  "ring full": red,
  "device not consuming": red,
  "driver not reaping": yellow,
  "kicks suppressed": yellow,
  "not ready": dim,
  "moving": green,
  "idle": green,
};

/** A verdict where there is no room for all of it. */
export function shortVerdict(verdict: Verdict): string {
  return verdict.replace(/^(device|driver|kicks) /, "");
}
