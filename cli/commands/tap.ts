/**
 * `guestmem tap`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { recordFile } from "../../lib/tap/record.ts";
import { isSameSocket, startTap, type TapEvent } from "../../lib/tap/tap.ts";
import { type Context, interrupted, UsageError } from "../context.ts";
import { type CommandEvent, eventPrinter } from "../events.ts";
import { HELP } from "../options.ts";
import { parseDuration } from "../parse.ts";

const MANUAL = `
Stands between a vhost-user front-end (QEMU, DPDK's virtio-user) and its back-end (DPDK, SPDK,
virtiofsd, qemu-storage-daemon, OVS), passes every message on, and makes each connection a target.
Packets and disk data do not go this way: the rings are as fast with it as without.

  $ guestmem tap /run/tap.sock /run/back.sock
  tapping /run/tap.sock to /run/back.sock; Ctrl-C ends it, and all connections
  connection 1: process 4242 came, joined with process 4243
  connection 1: rings at vhost:/run/tap.sock/blk0

  $ guestmem dump ring vhost:/run/tap.sock/blk0:0
  $ guestmem kick vhost:/run/tap.sock/blk0:0

LISTEN is a new socket, of mode 0600, that one side connects to in the place of CONNECT. Either side
may be the one that listens at CONNECT: who asks first is the front-end. A peer that dies takes its
connection along, and may come again. One that breaks the protocol (memory that overlaps or reaches
past its file, fds of the wrong kind, impossible sizes) is cut off before the other side sees it.

--log appends every message, decoded and in hex, and every event to FILE, one JSON object a line.
Peers of other users than yours and root are sent away, but for the one that --allow-uid names.`;

/** How long the far side may be away, in milliseconds, if not said. */
const WAIT = 5000;

/** `tap` */
export function tapCommand(context: Context): CommandUnknownOpts {
  return new Command("tap")
    .summary("stand between a vhost-user front-end and back-end")
    .description("Relay vhost-user connections, and make them targets.")
    .argument("<listen>", "Unix socket to make; vhost:LISTEN is the target")
    .argument("<connect>", "Unix socket of the other side")
    .option("--log <file>", "append the conversation to FILE as NDJSON")
    .option("--allow-uid <uid>", "a user who may connect, too; LISTEN becomes theirs", parseUid)
    .option("--wait <duration>", "how long CONNECT may be away (default: 5s)", parseDuration)
    .option("--session <session>", "let a session do it, and print its name there")
    .option("--json", HELP.json + " lines, one per event")
    .option("--plain", HELP.plain)
    .addHelpText("after", MANUAL)
    .action(async (listen, connect, options) => {
      if (isSameSocket(listen, connect)) {
        throw new UsageError(
          `LISTEN and CONNECT are the same socket, ${connect}`,
          "name a new socket for LISTEN, and start one of the two sides with it",
        );
      }
      const own = options.session === undefined ? context.session?.session : undefined;
      const session = options.session ?? own;
      if (session !== undefined) {
        return await inSession(context, session, [listen, connect], options);
      }
      using resources = new DisposableStack();
      const file = options.log === undefined ? null : resources.use(logFile(options.log));
      const events = eventPrinter(context, "guestmem/tap-event/1", options);
      await using tap = startTap({
        listen,
        connect,
        allowUid: options.allowUid ?? null,
        connectTimeoutMs: options.wait ?? WAIT,
        event: (event) => events.say(told(event)),
        ...(file === null ? {} : { record: file.write }),
      });
      if (!options.json && !options.plain) {
        await context.print(`tapping ${listen} to ${connect}; Ctrl-C ends it, and all connections`);
      }
      await Promise.race([interrupted(context.signal), tap.done]);
      await tap.close();
      await events.written();
    });
}

/** A session's tap has no output, so what shapes it can not be asked for. */
async function inSession(
  context: Context,
  session: string,
  [listen, connect]: readonly [string, string],
  { log, allowUid, wait }: { log?: string; allowUid?: number; wait?: number },
): Promise<void> {
  if (log !== undefined || allowUid !== undefined || wait !== undefined) {
    const which = "--log, --allow-uid and --wait";
    throw new UsageError(`${which} are for a tap of its own, without --session`);
  }
  if (context.session?.session === session) {
    return await context.print(`${context.session.tap(listen, connect)}@${session}`);
  }
  const path = "../../lib/session/client.ts";
  const client: typeof import("../../lib/session/client.ts") = await import(path);
  const name = await client.tapInSession({ session, signal: context.signal }, listen, connect);
  await context.print(`${name}@${session}`);
}

/** What can not be opened is a file of ours, not a target. */
function logFile(path: string): ReturnType<typeof recordFile> {
  try {
    return recordFile(path);
  } catch (error) {
    throw new Error("--log", { cause: error });
  }
}

function parseUid(text: string): number {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text);
  throw new UsageError(`--allow-uid ${text} is no user id`);
}

function told({ kind, connection, text, details }: TapEvent): CommandEvent {
  return { kind, about: connection, text, members: { event: kind, connection, ...details } };
}
