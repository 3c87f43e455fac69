/**
 * `guestmem unmap`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { unmapInSession } from "../../lib/session/client.ts";
import { type Context, UsageError } from "../context.ts";
import { HELP } from "../options.ts";
import { mappingJson } from "../render/session.ts";

const MANUAL = `
Drops what a session holds under a name: a mapping, or a tap. Commands that have it attached at that
moment keep what they mapped themselves until they end.

  $ guestmem unmap m1@inc42

In a script or a shell, whose own session is called \`this\`, NAME alone is enough.`;

/** `unmap` */
export function unmapCommand(context: Context): CommandUnknownOpts {
  return new Command("unmap")
    .summary("drop something that a session holds")
    .description("Drop something that a session holds.")
    .argument("<name@session>", "what session list shows")
    .option("--json", HELP.json)
    .addHelpText("after", MANUAL)
    .action(async (text, options) => {
      const { name, session } = parseHeld(text, context.session?.session ?? null);
      const own = context.session?.session === session ? context.session : null;
      if (own !== null) await own.unmap(name);
      else await unmapInSession({ session, signal: context.signal }, name);
      if (options.json) await context.print(mappingJson(`${name}@${session}`, null, false));
    });
}

/** `NAME@SESSION`, or `NAME` where there is an own session. Throws `UsageError`. */
function parseHeld(text: string, own: string | null): { name: string; session: string } {
  const match = /^([A-Za-z0-9_.-]+)(?:@([A-Za-z0-9_.-]+))?$/.exec(text);
  const session = match?.[2] ?? own;
  if (match !== null && session !== null) return { name: match[1], session };
  const remedy = "want NAME@SESSION; `guestmem session list` shows what there is";
  throw new UsageError(`"${text}" is nothing that a session holds`, remedy);
}
