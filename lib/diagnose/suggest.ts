/**
 * What to type next: a command that shows more of a queue, or mends it.
 *
 * @module
 */
import type { KickSide } from "../kick/kick.ts";
import type { Verdict } from "../ring/stall.ts";
import type { Halted } from "../source/halted.ts";

/** What is known of a queue beside its verdict. */
export interface Suggestible {
  readonly target: string;
  /** Its ring stands in memory that can not be read. */
  readonly unread: boolean;
  /** Why nobody serves the queue; null where somebody can. */
  readonly halted: Halted | null;
  /**
   * Whether there is a way to notify that side. Asked only where it makes a difference: the answer may
   * want a search in the hypervisor's memory.
   */
  readonly canNotify: (side: KickSide) => boolean;
}

/** Empty where all is well. */
export function suggestion(verdict: Verdict, queue: Suggestible): string {
  const { target, unread, halted } = queue;
  if (verdict === "moving" || verdict === "idle") return "";
  if (verdict === "corrupt" || unread) return `guestmem dump ring ${target}`;
  // Nothing else helps as long as nobody is there to do it.
  if (halted !== null && halted.command !== "") return halted.command;
  switch (verdict) {
    case "lost kick":
    case "kicks suppressed":
      return notification(queue, "kick");
    case "driver not reaping":
      return notification(queue, "call");
    case "not ready":
      return `guestmem dump config ${target.replace(/:\d+$/, "")}`;
    default:
      return `guestmem dump ring ${target} --recent 8`;
  }
}

/** A kick that would be refused is no help: the ring shows what the other side is to be told by hand. */
function notification({ target, canNotify }: Suggestible, side: KickSide): string {
  if (!canNotify(side)) return `guestmem dump ring ${target}`;
  return `guestmem kick ${target}${side === "call" ? " --call" : ""}`;
}
