/**
 * `guestmem shell`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { OWN_SESSION } from "../../lib/session/folder.ts";
import { createHolder } from "../../lib/session/holder.ts";
import { type Context, UsageError } from "../context.ts";
import { EXIT, type Failure } from "../failure.ts";
import { completer, ENDINGS } from "../script/complete.ts";
import { historyPath, readHistory, writeHistory } from "../script/history.ts";
import {
  checkStatements,
  type Interpreter,
  type LineFailure,
  runStatement,
} from "../script/interpreter.ts";
import { parseLine, ScriptError, type Statement } from "../script/parse.ts";
import { ask, type TypedAhead } from "../script/prompt.ts";

const MANUAL = `
The language of \`guestmem run\`, line by line: what \`map\` maps stays until \`unmap\` or the end.

  $ guestmem shell
  guestmem> map qemu:4242
  m1@this
  guestmem> let r = dump ring m1@this/blk0:0 --json
  guestmem> print $r.inFlight
  3
  guestmem> exit

Tab completes commands, options, variables and the targets there are at that moment, devices and
queues included. The arrows go through what was typed before, in earlier shells, too
(~/.local/state/guestmem/history). Ctrl-C ends a command, or empties the line; Ctrl-D, exit and quit
end the shell, with the exit code of the last command.`;

const PROMPT = "guestmem> ";

/** `shell` */
export function shellCommand(context: Context): CommandUnknownOpts {
  return new Command("shell")
    .summary("type commands, with mappings that stay, history and completion")
    .description("Type commands in a session of their own, with history and completion.")
    .addHelpText("after", MANUAL)
    .action(async () => {
      if (!context.terminal || !Deno.stdin.isTerminal()) {
        throw new UsageError("a shell wants a terminal", "`guestmem run -` runs what stdin gives");
      }
      await using holder = createHolder(OWN_SESSION);
      context.exit(await loop({ context, holder, variables: new Map() }));
    });
}

/** Asks and runs until the end of input. Gives the exit code of the last command. */
async function loop(interpreter: Interpreter): Promise<number> {
  const { context } = interpreter;
  const complete = completer(interpreter);
  const path = historyPath();
  const history = readHistory(path);
  const ahead: TypedAhead = { lines: [], rest: "" };
  let code: number = EXIT.done;
  while (true) {
    const line = await ask({ prompt: PROMPT, history, complete, ahead, signal: context.signal });
    if (line === null || ENDINGS.includes(line.trim())) break;
    if (line.trim() === "") continue;
    if (history[0] !== line) history.unshift(line);
    code = await runLine(interpreter, line);
  }
  writeHistory(path, history);
  return code;
}

/** Runs one line; Ctrl-C ends it and not the shell. */
async function runLine(interpreter: Interpreter, line: string): Promise<number> {
  const { context } = interpreter;
  const stop = new AbortController();
  const interrupt = () => stop.abort(new DOMException("interrupted", "AbortError"));
  using _taken = context.takeInterrupt?.(interrupt);
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const failure = await failureOf({ ...interpreter, context: { ...context, signal } }, line);
  if (failure === null) return EXIT.done;
  if (failure.code !== EXIT.interrupted) say(context, failure);
  return failure.code;
}

async function failureOf(interpreter: Interpreter, line: string): Promise<Failure | null> {
  const { context, variables } = interpreter;
  const statement = parsed(line);
  if (statement === null) return null;
  if ("code" in statement) return statement;
  const wrong = await checkStatements(context, [statement], variables.keys());
  return wrong ?? await runStatement(interpreter, statement);
}

function parsed(line: string): Statement | LineFailure | null {
  try {
    return parseLine(line, 1);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    const { column, message, remedy } = error;
    return { code: EXIT.usage, message, remedy, line: 1, column };
  }
}

function say(context: Context, { message, remedy }: Failure): void {
  context.warn(message);
  if (remedy !== "") context.warn(`remedy: ${remedy}`);
}
