/**
 * Runs in dom0: the transcripts of the docs pages about Xen, typed again.
 *
 * @module
 */
import type { Context } from "../../../../cli/context.ts";
import { dispatch } from "../../../../cli/dispatch.ts";
import { pagePaths, readPage } from "../../../support/docs/page.ts";
import { checkTyped } from "../../../support/docs/play_inside.ts";
import { run } from "./guests.ts";

/** In this process, as a start of Deno takes seconds under emulation; `xl` is itself. */
async function typed([program, ...words]: readonly string[]): Promise<string> {
  if (program !== "guestmem") return await run(program, ...words);
  const lines: string[] = [];
  const print = (text: string) => Promise.resolve(void lines.push(text));
  const context: Context = {
    ...{ signal: new AbortController().signal, terminal: false, progress: false, print },
    size: () => ({ columns: 80, rows: 24 }),
    write: (bytes) => print(new TextDecoder().decode(bytes)),
    warn: (text) => void lines.push(text),
    exit: () => {},
  };
  const { text, failure } = await dispatch(words, context);
  if (text !== "") lines.push(text.trimEnd());
  if (failure !== null) lines.push(`guestmem: ${failure.message}`);
  if (failure !== null && failure.remedy !== "") lines.push(`remedy: ${failure.remedy}`);
  return lines.join("\n");
}

for (const page of pagePaths().filter((path) => path.startsWith("cli/docs/")).map(readPage)) {
  if (!page.blocks.some(({ words }) => words[0] === "xen")) continue;
  Deno.test(`${page.path} says what the commands print`, () => checkTyped(page, "xen", typed));
}
