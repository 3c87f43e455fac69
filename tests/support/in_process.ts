/**
 * Runs the command line in this process, a hundred times faster than as a process of its own.
 *
 * @module
 */
import type { Context } from "../../cli/context.ts";
import { dispatch } from "../../cli/dispatch.ts";
import { setColorEnabled } from "../../cli/render/colors.ts";
import { escapeLines } from "../../cli/render/escape.ts";
import { checkOutput } from "./schemas.ts";

/** What a person sees of a run: stdout and stderr as they came, and the exit code. */
export interface Seen {
  readonly code: number;
  readonly text: string;
}

/** Runs a command to its end as `main.ts` does, piped. JSON that it prints must be as its schema says. */
export async function runInProcess(args: readonly string[]): Promise<Seen> {
  setColorEnabled(false);
  let text = "";
  const decoder = new TextDecoder();
  const context: Context = {
    signal: new AbortController().signal,
    terminal: false,
    progress: false,
    size: () => ({ columns: 80, rows: 24 }),
    // deno-lint-ignore require-await
    print: async (part) => void (text += part + "\n"),
    // deno-lint-ignore require-await
    write: async (bytes) => void (text += decoder.decode(bytes)),
    warn: (line) => text += escapeLines(line) + "\n",
    exit: () => {},
  };
  const { code, text: manual, failure } = await dispatch(args, context);
  if (manual !== "") text += manual.trimEnd() + "\n";
  if (failure !== null) context.warn(`guestmem: ${failure.message}`);
  if (failure !== null && failure.remedy !== "") context.warn(`remedy: ${failure.remedy}`);
  checkOutput(text);
  return { code, text };
}
