/**
 * Long output on a terminal goes through the user's pager, as git does it: only what is longer than
 * the screen, and only of commands that print and end.
 *
 * @module
 */
import { isOnPath, type Pager, startPager } from "../lib/pager.ts";
import type { Context } from "./context.ts";
import { OutputClosed } from "./output.ts";
import { stripAnsiCode } from "./render/colors.ts";

/** A context whose output goes through a pager where it is long. */
export interface Paged {
  readonly context: Context;
  /** Prints what is short, or waits until the pager has ended. */
  close(): Promise<void>;
}

/** What less does where nothing is said: end if all fits, pass colours on, leave the screen alone. */
const DEFAULTS = { LESS: "FRX", LV: "-c" };

/** The pager to use; null for none. */
function command(environment: Readonly<Record<string, string>>): string | null {
  const { PAGER, PATH = "" } = environment;
  if (PAGER !== undefined) return PAGER === "" || PAGER === "cat" ? null : PAGER;
  return isOnPath("less", PATH) ? "less" : null;
}

/** Holds output back until it is longer than the screen. Null where there is no pager. */
export function paged(context: Context): Paged | null {
  const environment = Deno.env.toObject();
  const program = command(environment);
  if (program === null) return null;
  const { columns, rows } = context.size();
  const held: Uint8Array[] = [];
  const said: string[] = [];
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let lines = 0;
  let pager: Pager | null = null;
  let taken: Disposable | undefined;
  let plain = false;

  async function write(bytes: Uint8Array): Promise<void> {
    if (plain) return await context.write(bytes);
    if (pager !== null) return await hand(pager, bytes);
    held.push(bytes.slice());
    lines += linesOf(decoder.decode(bytes), columns);
    if (lines < rows) return;
    pager = started(program!, environment, context);
    // Ctrl-C is for the pager, which stops a search by it.
    if (pager !== null) taken = context.takeInterrupt?.(() => {});
    plain = pager === null;
    for (const part of held.splice(0)) await write(part);
  }

  async function close(): Promise<void> {
    for (const part of held.splice(0)) await context.write(part);
    const open = pager;
    pager = null;
    await open?.close();
    taken?.[Symbol.dispose]();
    said.splice(0).forEach((line) => context.warn(line));
  }

  return {
    context: {
      ...context,
      write,
      print: (text) => write(encoder.encode(text + "\n")),
      // A line among those of the pager would be painted over, or worse.
      warn: (text) => void (pager === null ? context.warn(text) : said.push(text)),
    },
    close,
  };
}

async function hand(pager: Pager, bytes: Uint8Array): Promise<void> {
  if (!await pager.write(bytes)) throw new OutputClosed();
}

/** Words of the shell itself that a command may begin with. */
const OF_SHELL = ["exec", "command", "eval", "."];

/** Null, and a word on it, where there is no such program: a shell in between would say so too late. */
function started(
  program: string,
  environment: Readonly<Record<string, string>>,
  context: Context,
): Pager | null {
  // What is more than a name and its options is the shell's to read.
  const [name] = /^[\w./+-]+(?=\s|$)/.exec(program) ?? [null];
  if (name === null || OF_SHELL.includes(name) || isOnPath(name, environment.PATH ?? "")) {
    return startPager(program, { ...DEFAULTS, ...environment });
  }
  context.warn(`no pager: ${name} of PAGER is not in PATH`);
  return null;
}

/** Lines that a text takes on a terminal, which breaks those that are too wide. */
function linesOf(text: string, columns: number): number {
  const lines = text.replace(/\n$/, "").split("\n");
  return lines.reduce(
    (sum, line) => sum + Math.max(1, Math.ceil(stripAnsiCode(line).length / Math.max(1, columns))),
    0,
  );
}

/** Commands that print and end. `dump search` shows what it finds as it goes. */
const PAGED = ["help", "find", "map", "dump", "diagnose", "doctor"];

/** Whether a command line's output is to be paged: it ends by itself, and nobody waits for its start. */
export function isPaged(words: readonly string[]): boolean {
  const [verb = "help", thing] = words;
  if (words.some((word) => word === "--help" || word === "-h")) return true;
  if (words.some((word) => word === "--hold" || word === "--watch")) return false;
  return verb === "dump" ? thing !== "search" : PAGED.includes(verb);
}
