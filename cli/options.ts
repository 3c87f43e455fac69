/**
 * Options that many commands share, and what they make of them.
 *
 * @module
 */
import type { OpenOptions } from "../lib/source/attach.ts";
import type { Context } from "./context.ts";

/** Text of the options that every command words alike. */
export const HELP = {
  target: "SCHEME:WHAT[/DEVICE[:QUEUE]]",
  json: "print JSON",
  plain: "print tab-separated lines, without heading or colour",
  verbose: "tell on stderr what is done, and why that way",
  layout: "JSON file that says where memory and rings are",
} as const;

/** The options that decide how a guest is attached. */
export interface AttachFlags {
  readonly verbose?: true | undefined;
  readonly layout?: string | undefined;
  readonly write?: true | undefined;
}

/** How to attach, for `openTarget` and `findGuests`. */
export function openOptions(context: Context, flags: AttachFlags): OpenOptions {
  return {
    write: flags.write === true,
    layout: flags.layout ?? null,
    signal: context.signal,
    log: flags.verbose === true ? (line) => context.warn(`guestmem: ${line}`) : () => {},
  };
}
