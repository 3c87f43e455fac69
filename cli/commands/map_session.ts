/**
 * `guestmem map … --session NAME`, and `map` in a script: the mapping stays, under a name.
 *
 * @module
 */
import { mapInSession, type MapRequest } from "../../lib/session/client.ts";
import type { DomainPart } from "../../lib/source/source.ts";
import { type Context, UsageError } from "../context.ts";
import { EXIT } from "../failure.ts";
import { type AttachFlags, openOptions } from "../options.ts";
import { mappingJson } from "../render/session.ts";

/** Options of `map` that count here. */
export interface KeepOptions extends AttachFlags {
  readonly session?: string | undefined;
  readonly name?: string | undefined;
  readonly hold?: true | undefined;
  /** What of a Xen domain; absent or null for all. */
  readonly part?: DomainPart | null;
  readonly json?: true | undefined;
}

/** Lines about what could not be mapped. */
const SHOWN = 8;

/** Maps, and prints the target that the other commands take. */
export async function mapKept(
  context: Context,
  target: string,
  options: KeepOptions,
): Promise<void> {
  const own = options.session === undefined ? context.session ?? null : null;
  const session = own?.session ?? options.session;
  if (session === undefined) {
    throw new UsageError("--name is for a mapping that stays", "say --session SESSION, too");
  }
  if (options.hold) throw new UsageError("--hold is for a mapping outside of a session");
  const { layout = null, add = [], log = () => {} } = openOptions(context, options);
  const { name = null, write = false, replace = false, part = null } = options;
  const request: MapRequest = { target, name, write, layout, add, replace, part };
  const { signal } = context;
  let noticed = 0;
  const notice = (line: string) => {
    if (noticed++ < SHOWN) context.warn(`guestmem: ${line}`);
  };
  const held = own !== null
    ? await own.map({ ...request, signal, log, notice })
    : await mapInSession({ session, signal, log, notice }, request);
  if (noticed > SHOWN) context.warn("guestmem: and more");
  // As without a session: what is held of a list is not all of it.
  if (part !== null && noticed > 0) context.exit(EXIT.failed);
  const kept = `${held}@${session}`;
  await context.print(options.json ? mappingJson(kept, target, true) : kept);
}
