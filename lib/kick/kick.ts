/**
 * One way to notify one queue.
 *
 * @module
 */

/** Who is to be notified: `kick` the device, `call` the driver. */
export type KickSide = "kick" | "call";

/** What shows that a notification was sent. */
export interface KickProof {
  /** Sentences with what was seen before and after. */
  readonly evidence: readonly string[];
}

/** A way to notify a queue. Making one sends nothing. */
export interface Kick {
  /** What `--via` takes: `eventfd`, `monitor`. */
  readonly name: string;
  /** Reaches more than the one queue, so it is never chosen silently. */
  readonly lastResort: boolean;
  /** True, or why it can not be done here. */
  readonly possible: true | string;
  /** What would make it possible, where something would. */
  readonly remedy?: string;
  /** What {@linkcode send} will signal, in one line. */
  describe(): string;
  /** Notifies. Throws `SyscallError` or `SourceError`. */
  send(): Promise<KickProof>;
}
