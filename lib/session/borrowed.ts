/**
 * Something held in this process, as an attachment that a command may dispose without ending it.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Target } from "../guest/target.ts";
import type { Attachment, AttachOptions } from "../source/source.ts";
import { freshen, type Held } from "./holder.ts";

/** A view of what is held. Throws `SourceError` where more rights are wanted than it has. */
export async function borrow(
  held: Held,
  target: Target,
  options: AttachOptions,
): Promise<Attachment> {
  const { attachment } = held;
  if (options.write && !held.write) {
    const text = `${target.what} is mapped read-only`;
    throw new SourceError("session", "open", "permission", text, "map it with --write");
  }
  const stale = await freshen(held, options.log);
  return {
    target,
    origin: held.of,
    get memory() {
      return attachment.memory;
    },
    get writable() {
      return options.write ? attachment.writable : null;
    },
    get devices() {
      return attachment.devices;
    },
    get warnings() {
      return attachment.warnings ?? [];
    },
    get note() {
      return [attachment.note ?? "", stale].filter((text) => text !== "").join("; ");
    },
    refresh: () => held.alone(() => attachment.refresh()),
    monitor: attachment.monitor,
    kicks: attachment.kicks?.bind(attachment),
    interrupts: attachment.interrupts,
    // It stays until it is unmapped.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
