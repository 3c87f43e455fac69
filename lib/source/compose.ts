/**
 * Several targets as one guest: `--add GPA=TARGET[:OFFSET+LENGTH][:ro|rw]`.
 *
 * @module
 */
import { ADDRESS_LIMIT, guestAddress, parseNumber } from "../address.ts";
import { SourceError } from "../errors.ts";
import { compose, place, type Segment } from "../memory/compose.ts";
import { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import { type Access, type Region, regionEnd } from "../memory/region.ts";
import type { Attachment } from "./source.ts";

/** One `--add`. */
export interface Addition {
  /** Where it goes. */
  readonly guest: bigint;
  /** The other target. */
  readonly target: string;
  /** [offset, offset + length) of that target's guest addresses; null for all it has. */
  readonly part: { readonly offset: bigint; readonly length: bigint } | null;
  readonly access: Access;
}

const GRAMMAR = "GPA=TARGET[:OFFSET+LENGTH][:ro|rw]";

/** Parses an addition; `ro` unless it says `rw`. Throws SyntaxError. */
export function parseAddition(text: string): Addition {
  const match = /^([^=]+)=(.+?)(?::([^:+]+)\+([^:+]+))?(?::(ro|rw))?$/.exec(text);
  if (!match) throw new SyntaxError(`not an addition: "${text}" (want ${GRAMMAR})`);
  const [, guest, target, offset, length, access] = match;
  const part = offset === undefined
    ? null
    : { offset: parseNumber(offset), length: parseNumber(length) };
  return { guest: parseNumber(guest), target, part, access: access === "rw" ? "rw" : "ro" };
}

/** How an addition's target is attached: read-write only where it says so. */
export type OpenAddition = (target: string, write: boolean) => Promise<Attachment>;

/** What to add, and whether it may take the place of memory that is there. */
export interface ComposeOptions {
  readonly additions: readonly Addition[];
  readonly replace: boolean;
  readonly open: OpenAddition;
}

/**
 * One attachment over a guest and what is added to it. It owns all of them: they are disposed in
 * reverse order, also where composing fails. Throws `SourceError` (stage `compose`) for an overlap
 * without `replace`, for a part that is not all in its target, and what `open` throws. Where a refresh fails to
 * compose, `memory` is the guest's own until one does not.
 */
export async function composed(base: Attachment, options: ComposeOptions): Promise<Attachment> {
  await using undo = new AsyncDisposableStack();
  undo.use(base);
  const parts: { addition: Addition; attachment: Attachment }[] = [];
  for (const addition of options.additions) {
    const attachment = undo.use(await options.open(addition.target, addition.access === "rw"));
    parts.push({ addition, attachment });
  }
  let memory = join(base, parts, options.replace);
  const owned = undo.move();
  return {
    target: base.target,
    ...(base.origin === undefined ? {} : { origin: base.origin }),
    get layoutMemory() {
      return base.layoutMemory ?? [];
    },
    get warnings() {
      return [base, ...parts.map(({ attachment }) => attachment)]
        .flatMap(({ warnings }) => warnings ?? []);
    },
    get note() {
      return base.note;
    },
    get monitor() {
      return base.monitor;
    },
    get interrupts() {
      return base.interrupts;
    },
    get memory() {
      return memory;
    },
    get writable() {
      return memory instanceof WritableGuestMemory ? memory : null;
    },
    get devices() {
      return base.devices;
    },
    async refresh() {
      await base.refresh();
      try {
        for (const { attachment } of parts) await attachment.refresh();
        memory = join(base, parts, options.replace);
      } catch (error) {
        // What was joined before may hold memory that is let go of now.
        memory = base.memory;
        throw error;
      }
    },
    kicks: base.kicks?.bind(base),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Part = { readonly addition: Addition; readonly attachment: Attachment };

function join(base: Attachment, parts: readonly Part[], replace: boolean): GuestMemory {
  const { name, table } = base.memory;
  const { scheme } = base.target;
  const overlap = replace ? "" : "--replace puts it in place of what is there";
  const whole = parts.reduce((sum, part) => {
    const added = placed(part, scheme);
    return refusing(scheme, overlap, () => compose(sum, added, replace));
  }, table);
  const writable = base.writable !== null || parts.some(({ addition }) => addition.access === "rw");
  return writable ? new WritableGuestMemory(whole, name) : new GuestMemory(whole, name);
}

function placed(part: Part, scheme: string): Region[] {
  return refusing(scheme, remedyOf(part.addition), () => place(segment(part)));
}

/** What helps where a segment can not be placed, whatever else is there. */
function remedyOf({ guest, target, part }: Addition): string {
  if (part !== null && part.length <= 0n) return `leave OFFSET+LENGTH out for all of ${target}`;
  if (part !== null && guest + part.length > ADDRESS_LIMIT) {
    return "put it lower: its last byte must be below 2^64";
  }
  return `\`guestmem map ${target}\` shows what memory it has`;
}

function refusing<T>(scheme: string, remedy: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SourceError(scheme, "compose", "failed", error.message, remedy, { cause: error });
  }
}

function segment({ addition, attachment }: Part): Segment {
  const { memory } = attachment;
  const { offset, length } = addition.part ?? everything(memory);
  const { guest, access, target: name } = addition;
  return { guest: guestAddress(guest), from: memory, offset, length, access, name };
}

/** From the first byte of a memory to its last. */
function everything(memory: GuestMemory): { offset: bigint; length: bigint } {
  const { regions } = memory.table;
  const [first, last] = [regions[0], regions[regions.length - 1]];
  if (first === undefined) throw new RangeError(`${memory.name} has no memory`);
  return { offset: first.guest, length: regionEnd(last) - first.guest };
}
