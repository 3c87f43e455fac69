/**
 * Plays a page's transcripts where there is no shell to type them into: in dom0, inside a guest.
 *
 * @module
 */
import type { Page } from "./page.ts";
import { difference } from "./shape.ts";
import { stepsOf } from "./transcript.ts";

/** Runs one command, given by its words, and gives what it printed. */
export type Typist = (words: readonly string[]) => Promise<string>;

/**
 * Types the commands of a page's scene one after the other. Throws an Error that shows every output
 * that is not as the page says.
 */
export async function checkTyped(page: Page, scene: string, typist: Typist): Promise<void> {
  const wrong: string[] = [];
  for (const { language, words, text, line } of page.blocks) {
    if (language !== "console" || words.join(" ") !== scene) continue;
    for (const step of stepsOf(text)) {
      const printed = (await typist(wordsOf(step.command))).trimEnd().split("\n");
      const among = /^guestmem find(?!.*--carve)/.test(step.command);
      const why = difference(step.output, printed, { exact: false, among });
      if (why !== null) wrong.push(`${page.path}:${line + step.line}: $ ${step.command}\n${why}`);
    }
  }
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}

/** Split at blanks; "…" holds a word with blanks together. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}
