/**
 * `guestmem run`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { InvalidArgumentError } from "commander";
import { createHolder } from "../../lib/session/holder.ts";
import { OWN_SESSION } from "../../lib/session/folder.ts";
import { type Context, UsageError } from "../context.ts";
import { EXIT } from "../failure.ts";
import { checkStatements, type LineFailure, runStatement } from "../script/interpreter.ts";
import { type Value, valueOf } from "../script/variables.ts";
import { parseScript, ScriptError, type Statement } from "../script/parse.ts";

const MANUAL = `
One command a line, in the words of the command line without \`guestmem\`, and in one process. The
script has a session of its own, called \`this\`: what \`map\` maps stays until \`unmap\` or the end.

  $ cat check.gm
  # Is the disk's queue alive?
  let m = map qemu:4242
  let r = dump ring $m/blk0:0 --json
  print "in flight: $r.inFlight of $r.size"
  expect $r.inFlight < 100
  diagnose $m --check
  $ guestmem run check.gm
  in flight: 3 of 128
  VERDICT  AVAILABLE  USED  IN FLIGHT    FOR  QUEUE     TARGET
  moving         966   956         10  1.0 s  request0  m1@this/blk0:0

  let NAME = COMMAND   keeps what COMMAND prints. $NAME is that text; with
                       --json, $NAME.field[0] is a part of it (several lines of
                       JSON are an array). \${NAME}x ends the name.
  print WORDS…         prints them.
  expect A OP B        goes on only if it holds: == != < <= > >= on numbers
                       (0x, too) or texts.

--set gives a script what changes from one run to the next. With \`map $guest\` as its second line:

  $ guestmem run check.gm --set guest=qemu:$(pidof qemu-system-x86_64)

Words are split at blanks; '…' is taken as it is, in "…" variables are filled in, a backslash takes
the next character as it is. # begins a comment.

It stops at the first command that fails, with its exit code, and says where:

  $ guestmem run check.gm
  guestmem: check.gm:2:9: qemu: find the process: no QEMU with pid 4242
  remedy: \`guestmem find\` lists the targets of this host

A script that is written wrong (an unknown command or variable, a quote without its other half) is
refused before anything of it runs, with exit code 2.`;

/** Bytes of a script at most. */
const LIMIT = 1 << 20;

/** `run` */
export function runCommand(context: Context): CommandUnknownOpts {
  return new Command("run")
    .summary("run a file of commands in a session of its own")
    .description("Run a file of commands, in one process and a session of their own.")
    .argument("<script>", "a file, or - for stdin")
    .option("--set <name=value>", "a variable to begin with; may be repeated", parseSetting)
    .option("--check", "look for what is written wrong, and run nothing")
    .option("--verbose", "print each line on stderr before it runs")
    .addHelpText("after", MANUAL)
    .action(async (script, options) => {
      const text = await readScript(script);
      const name = script === "-" ? "stdin" : script;
      const failure = await runScript(context, text, options);
      if (failure === null || failure.code === EXIT.interrupted) return;
      const { line, column, message, remedy, code } = failure;
      context.warn(`guestmem: ${name}:${line}:${column}: ${message}`);
      if (remedy !== "") context.warn(`remedy: ${remedy}`);
      context.exit(code);
    });
}

interface RunOptions {
  readonly check?: true | undefined;
  readonly verbose?: true | undefined;
  readonly set?: ReadonlyMap<string, Value> | undefined;
}

/** `NAME=VALUE`, put to those before; the last of a name counts. */
function parseSetting(text: string, before?: ReadonlyMap<string, Value>): Map<string, Value> {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) {
    throw new InvalidArgumentError("Want NAME=VALUE, such as guest=qemu:4242.");
  }
  return new Map(before).set(name, valueOf(value));
}

/** Runs a script. Gives what stopped it, or null. */
async function runScript(
  context: Context,
  text: string,
  { check, verbose, set: variables = new Map() }: RunOptions,
): Promise<LineFailure | null> {
  const statements = parsed(text);
  if (!Array.isArray(statements)) return statements;
  const wrong = await checkStatements(context, statements, variables.keys());
  if (wrong !== null || check) return wrong;
  const lines = text.split(/\r?\n/);
  await using holder = createHolder(OWN_SESSION);
  const interpreter = { context, holder, variables: new Map(variables) };
  for (const statement of statements) {
    if (context.signal.aborted) return null;
    if (verbose) context.warn(`+ ${lines[statement.line - 1].trim()}`);
    const failure = await runStatement(interpreter, statement);
    if (failure !== null) return failure;
  }
  return null;
}

function parsed(text: string): Statement[] | LineFailure {
  try {
    return parseScript(text);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    const { line, column, message, remedy } = error;
    return { code: EXIT.usage, message, remedy, line, column };
  }
}

async function readScript(path: string): Promise<string> {
  const bytes = path === "-" ? await readStdin() : await readFile(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(
      `${path === "-" ? "stdin" : path} is no text`,
      "want commands, one a line",
    );
  }
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    using file = await Deno.open(path);
    return await upToLimit(file.readable, path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (!(error instanceof Deno.errors.NotFound)) throw new Error(`read ${path}`, { cause: error });
    throw new UsageError(`no script ${path}`, "name a file of commands, or - for stdin");
  }
}

function readStdin(): Promise<Uint8Array> {
  return upToLimit(Deno.stdin.readable, "stdin");
}

async function upToLimit(stream: ReadableStream<Uint8Array>, name: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    parts.push(part);
    length += part.length;
    if (length > LIMIT) throw new UsageError(`${name} has more than ${LIMIT} bytes`);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
