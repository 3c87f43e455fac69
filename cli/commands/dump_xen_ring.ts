/**
 * The part of `guestmem dump ring` that shows shared rings of Xen.
 *
 * @module
 */
import type { Queue } from "../../lib/guest/guest.ts";
import { selectQueues } from "../../lib/guest/select.ts";
import type { Attachment } from "../../lib/source/source.ts";
import type { XenRingReport } from "../render/xen_ring.ts";

/** How to show them. */
export interface XenRingOptions {
  readonly recent?: number | undefined;
  /** Entries shown; Infinity for all. */
  readonly limit: number;
  readonly json?: true | undefined;
  readonly plain?: true | undefined;
  /** Prints a ring's text; `findings` are in it. */
  show(text: string, findings: number): Promise<void>;
}

/** Whether a queue is such a ring. */
export function isXenRing({ xen }: Queue): boolean {
  return xen !== undefined && xen.open !== null;
}

/** Shows every shared ring that the target names; gives their number. Guest memory is not touched. */
export async function showXenRings(
  { devices, target }: Attachment,
  options: XenRingOptions,
): Promise<number> {
  const selected = selectQueues(devices, target).filter(({ queue }) => isXenRing(queue));
  if (selected.length === 0) return 0;
  const { xenRingJson, xenRingPlain, xenRingText } = await import("../render/xen_ring.ts");
  const render = options.json
    ? xenRingJson
    : options.plain
    ? xenRingPlain
    : (report: XenRingReport) => xenRingText(report, options.limit);
  const wanted = options.recent === undefined ? {} : { recentCount: options.recent };
  for (const { device, queue, target } of selected) {
    const { xen } = queue;
    if (xen === undefined || xen.open === null) continue;
    const snapshot = xen.open().snapshot(wanted);
    const text = render({ target, device, queue, xen, snapshot });
    await options.show(text, snapshot.findings.length);
  }
  return selected.length;
}
