/**
 * `guestmem map … --session NAME`, and `map` in a script: the mapping stays, under a name.
 *
 * @module
 */
import { mapInSession, type MapRequest } from "../../lib/session/client.ts";
import { type Context, UsageError } from "../context.ts";
import { openOptions } from "../options.ts";
import { mappingJson } from "../render/session.ts";

/** Options of `map` that count here. */
export interface KeepOptions {
  readonly session?: string | undefined;
  readonly name?: string | undefined;
  readonly hold?: true | undefined;
  readonly write?: true | undefined;
  readonly layout?: string | undefined;
  readonly add?: readonly string[] | undefined;
  readonly replace?: true | undefined;
  readonly json?: true | undefined;
  readonly verbose?: true | undefined;
}

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
  const { name = null, write = false, replace = false } = options;
  const request: MapRequest = { target, name, write, layout, add, replace };
  const { signal } = context;
  const held = own !== null
    ? await own.map({ ...request, signal, log })
    : await mapInSession({ session, signal, log }, request);
  const kept = `${held}@${session}`;
  await context.print(options.json ? mappingJson(kept, target, true) : kept);
}
