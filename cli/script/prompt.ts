/**
 * Asks for lines on a terminal. Each line has an editor of its own: while a command runs the terminal
 * is the command's.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline/promises";
import type { Completer } from "./complete.ts";
import { HISTORY_LENGTH } from "./history.ts";

/** How to ask. */
export interface PromptOptions {
  readonly prompt: string;
  /** The newest first. */
  readonly history: readonly string[];
  readonly complete: Completer;
  /** Ends the asking. */
  readonly signal: AbortSignal;
}

/** A line; null at the end of input, or when aborted. Ctrl-C begins the line anew. */
export async function ask(options: PromptOptions): Promise<string | null> {
  const { prompt, history, complete, signal } = options;
  if (signal.aborted) return null;
  const editor = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: true,
    history: [...history],
    historySize: HISTORY_LENGTH,
    completer: complete,
  });
  const ended = new AbortController();
  editor.on("close", () => ended.abort());
  editor.on("SIGINT", () => {
    // To the end and then back to the start: what was typed is gone.
    editor.write(null, { ctrl: true, name: "e" });
    editor.write(null, { ctrl: true, name: "u" });
  });
  try {
    return await editor.question(prompt, { signal: AbortSignal.any([ended.signal, signal]) });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
    process.stdout.write("\n");
    return null;
  } finally {
    editor.close();
  }
}
