/**
 * Asks for lines on a terminal. Each line has an editor of its own: while a command runs the terminal
 * is the command's.
 *
 * @module
 */
import process from "node:process";
import { cursorLeft, eraseLine } from "ansi-escapes";
import { createInterface, type Interface } from "node:readline/promises";
import type { Completer } from "./complete.ts";
import { HISTORY_LENGTH } from "./history.ts";

/** What was typed while nobody asked: whole lines, and the beginning of one. */
export interface TypedAhead {
  readonly lines: string[];
  rest: string;
}

/** How to ask. */
export interface PromptOptions {
  readonly prompt: string;
  /** The newest first. */
  readonly history: readonly string[];
  readonly complete: Completer;
  /** Kept from one question to the next. */
  readonly ahead: TypedAhead;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/** A line; null at the end of input, or when aborted. Ctrl-C begins the line anew. */
export async function ask(options: PromptOptions): Promise<string | null> {
  const { prompt, ahead, signal } = options;
  if (signal.aborted) return null;
  const ready = ahead.lines.shift();
  if (ready !== undefined) {
    process.stdout.write(`${prompt}${ready}\n`);
    return ready;
  }
  const ended = new AbortController();
  const editor = edit(options, ended.signal);
  editor.on("close", () => ended.abort());
  try {
    const answer = editor.question(prompt, { signal: AbortSignal.any([ended.signal, signal]) });
    editor.write(ahead.rest);
    const line = await answer;
    // The terminal gives what it has at once: all behind the first line is for later.
    ahead.rest = editor.line;
    // It is shown already, where the command is going to print; the next prompt shows it again.
    if (ahead.rest !== "") process.stdout.write(eraseLine + cursorLeft);
    return line;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
    process.stdout.write("\n");
    return null;
  } finally {
    editor.close();
  }
}

function edit({ history, complete, ahead }: PromptOptions, ended: AbortSignal): Interface {
  // An editor that has ended dies of an answer; Tab may be typed ahead, and the line end behind it.
  const completer: Completer = async (line) => {
    const found = await complete(line);
    return ended.aborted ? await new Promise(() => {}) : found;
  };

  const editor = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: true,
    history: [...history],
    historySize: HISTORY_LENGTH,
    completer,
  });
  // The line that answers a question is not among these.
  editor.on("line", (line) => ahead.lines.push(line));
  editor.on("SIGINT", () => {
    // To the end and then back to the start: what was typed is gone.
    editor.write(null, { ctrl: true, name: "e" });
    editor.write(null, { ctrl: true, name: "u" });
  });
  return editor;
}
