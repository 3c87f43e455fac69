/**
 * Which way to notify a queue.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import type { Device, Queue } from "../guest/guest.ts";
import type { Attachment } from "../source/source.ts";
import { eventfdKick } from "./eventfd.ts";
import type { Kick, KickSide } from "./kick.ts";
import { monitorKick } from "./monitor.ts";
import { monitorPortKick } from "./monitor_port.ts";

/** How to look for ways. */
export interface KickOptions {
  /**
   * Default: the real system calls.
   *
   * @internal
   */
  readonly sys?: Sys;
}

/** Every way to notify a queue of `attachment`, possible or not, best first. Sends nothing. */
export function kicksOf(
  attachment: Pick<Attachment, "kicks" | "monitor">,
  device: Device,
  queue: Queue,
  side: KickSide,
  { sys = openSys() }: KickOptions = {},
): Kick[] {
  return [
    eventfdKick(sys, queue.notifier, side),
    ...attachment.kicks?.(device, queue, side) ?? [],
    monitorPortKick(attachment.monitor, device, queue.index, side),
    monitorKick(attachment.monitor, side),
  ];
}

/** What is to be notified, for whoever reads that it can not be. */
export interface NotifiedQueue {
  /** `qemu:4242/blk0:0`. */
  readonly target: string;
  /** Who was to hear of it. */
  readonly side: KickSide;
}

/** Whether {@linkcode chooseKick} finds a way without being told one. */
export function hasWay(kicks: readonly Kick[]): boolean {
  return kicks.some((kick) => !kick.lastResort && kick.possible === true);
}

/**
 * The first possible way, or the one asked for by name. A way of last resort is only taken by name.
 * Throws `SourceError` (unsupported) that says of each way why not, and of which `queue`.
 */
export function chooseKick(
  kicks: readonly Kick[],
  via: string | null,
  queue: NotifiedQueue | null = null,
): Kick {
  const wanted = via === null
    ? kicks.filter((kick) => !kick.lastResort)
    : kicks.filter((kick) => kick.name === via);
  const chosen = wanted.find((kick) => kick.possible === true);
  if (chosen !== undefined) return chosen;
  const text = `${queue === null ? "" : `${queue.target}: `}${reasons(kicks, via)}`;
  const help = remedy(kicks, via) || (queue === null ? "" : listing(queue));
  throw new SourceError("kick", "choose", "unsupported", text, help);
}

function listing({ target, side }: NotifiedQueue): string {
  const call = side === "call" ? " --call" : "";
  return `\`guestmem kick --list${call} ${target}\` shows every way, and what each is for`;
}

/** A line for each way that was asked for: one would be too long for several. */
function reasons(kicks: readonly Kick[], via: string | null): string {
  const asked = kicks.filter((kick) => via === null || kick.name === via);
  if (asked.length === 0) return `no way is called "${via}"`;
  const lines = asked.map((kick) => {
    const why = kick.possible === true ? "possible, but only when asked for" : kick.possible;
    return `${kick.name}: ${why}`;
  });
  return lines.length === 1 ? lines[0] : ["no way is possible here", ...lines].join("\n  ");
}

/** A way that is possible, else what would make one so. */
function remedy(kicks: readonly Kick[], via: string | null): string {
  const others = kicks.filter((kick) => kick.possible === true && kick.name !== via);
  if (others.length > 0) {
    return others.map((kick) => `--via ${kick.name} (${kick.describe()})`).join(", or ");
  }
  const asked = kicks.filter((kick) => via === null || kick.name === via);
  return [...new Set(asked.flatMap((kick) => kick.remedy || []))].join("; or ");
}
