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
  add: "put memory of another target in: GPA=TARGET[:OFFSET+LENGTH][:ro|rw]; may be repeated",
  replace: "what is added takes the place of memory that is there",
  layout: "JSON file that says where memory and rings are",
} as const;

/** The options that decide how a guest is attached. */
export interface AttachFlags {
  readonly verbose?: true | undefined;
  readonly layout?: string | undefined;
  readonly write?: true | undefined;
  readonly add?: readonly string[] | undefined;
  readonly replace?: true | undefined;
}

/** Collects the values of an option that may be repeated. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...before ?? [], value];
}

/** How to attach, for `openTarget` and `findGuests`. */
export function openOptions(context: Context, flags: AttachFlags): OpenOptions {
  return {
    write: flags.write === true,
    layout: flags.layout ?? null,
    add: flags.add ?? [],
    replace: flags.replace === true,
    signal: context.signal,
    session: context.session ?? null,
    log: flags.verbose === true ? (line) => context.warn(`guestmem: ${line}`) : undefined,
    notice: (line) => context.warn(`guestmem: ${line}`),
  };
}
