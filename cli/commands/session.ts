/**
 * `guestmem session`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { listSessions, stopSession } from "../../lib/session/client.ts";
import { startSession } from "../../lib/session/server.ts";
import { addCommands, type CommandEntry } from "../commands.ts";
import { type Context, interrupted } from "../context.ts";
import { HELP } from "../options.ts";
import { runningInfo, sessionJson, sessionText, stoppedInfo } from "../render/session.ts";
import { sessionTable } from "../render/session.ts";
import { renderPlain } from "../render/table.ts";

const MANUAL = `
A session is a process that holds mappings, taps and their files under names, so that a script or
several terminals can work on one attachment. Whatever ends the process ends all it holds.

  $ guestmem session start inc42 &
  session inc42: process 5121; guestmem map TARGET --session inc42 puts …
  $ guestmem map qemu:4242 --session inc42
  m1@inc42
  $ guestmem dump ring m1@inc42/blk0:0
  $ guestmem unmap m1@inc42
  $ guestmem session stop inc42

Every command takes NAME@SESSION[/DEVICE[:QUEUE]]. What is a file's memory is mapped by the command
itself, from the session's own file; what only the session can reach (another process's memory, a
Xen guest's, a compressed dump) is read through it. A guest that has died can still be looked at.

Its socket is in the user's runtime directory ($XDG_RUNTIME_DIR/guestmem, else /run/user/UID, else
/tmp/guestmem-UID), in a folder and with a mode that keep everybody else out.`;

const START = `
Runs until \`session stop\`, Ctrl-C or a signal. To have it in the background, started from a terminal
that is going to be closed:

  $ setsid -f guestmem session start inc42 >/dev/null

What a killed session left behind is replaced; a second one of the same name is refused.`;

const LIST = `
A line for each thing that a session holds. STATE: running; stale (it was killed: its socket is left,
and the next start takes its place); unknown (it does not answer: NOTE says why).

  $ guestmem session list
  SESSION  STATE     PID  NAME      KIND     ACCESS  TARGET     SINCE        …
  inc42    running  5121  m1@inc42  mapping  ro      qemu:4242  2026-01-12T0…`;

const STOP = `
Unmaps and closes everything that it holds; what commands have attached of it ends, too.

  $ guestmem session stop inc42`;

const ACTIONS: readonly CommandEntry[] = [
  {
    name: "start",
    summary: "start a session, and stay until it is stopped",
    load: (context) => Promise.resolve(startCommand(context)),
  },
  {
    name: "list",
    summary: "sessions, and what they hold",
    load: (context) => Promise.resolve(listCommand(context)),
  },
  {
    name: "stop",
    summary: "end a session and all it holds",
    load: (context) => Promise.resolve(stopCommand(context)),
  },
];

/** `session` */
export async function sessionCommand(
  context: Context,
  words: readonly string[],
): Promise<CommandUnknownOpts> {
  const command = new Command("session")
    .helpCommand(false)
    .summary("hold mappings and taps for other commands")
    .description("Hold mappings and taps under names, for other commands.")
    .addHelpText("after", MANUAL);
  await addCommands(command, ACTIONS, context, words);
  return command;
}

function startCommand(context: Context): CommandUnknownOpts {
  return new Command("start")
    .summary("start a session, and stay until it is stopped")
    .description("Start a session, and stay until it is stopped.")
    .argument("<name>", "its name")
    .option("--json", HELP.json)
    .addHelpText("after", START)
    .action(async (name, options) => {
      const log = (line: string) => context.warn(`guestmem: ${line}`);
      await using session = startSession({ name, log });
      const hint = `guestmem map TARGET --session ${name} puts something into it`;
      await context.print(
        options.json
          ? sessionJson([runningInfo(session)], Date.now())
          : `session ${name}: process ${session.pid}; ${hint}`,
      );
      await Promise.race([interrupted(context.signal), session.done]);
    });
}

function listCommand(context: Context): CommandUnknownOpts {
  return new Command("list")
    .summary("sessions, and what they hold")
    .description("List this user's sessions and what they hold.")
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .addHelpText("after", LIST)
    .action(async (options) => {
      const sessions = await listSessions(context.signal);
      if (options.json) return await context.print(sessionJson(sessions, Date.now()));
      if (sessions.length === 0) {
        return context.warn("guestmem: no sessions; `guestmem session start NAME` starts one");
      }
      const text = options.plain ? renderPlain(sessionTable(sessions)) : sessionText(sessions);
      await context.print(text);
    });
}

function stopCommand(context: Context): CommandUnknownOpts {
  return new Command("stop")
    .summary("end a session and all it holds")
    .description("End a session and all it holds.")
    .argument("<session>", "its name")
    .option("--json", HELP.json)
    .addHelpText("after", STOP)
    .action(async (name, options) => {
      const pid = await stopSession({ session: name, signal: context.signal });
      if (options.json) await context.print(sessionJson([stoppedInfo(name, pid)], Date.now()));
    });
}
