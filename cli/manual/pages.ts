/**
 * The man pages of this version.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import type { Context } from "../context.ts";
import { describeAll, describeCommand } from "../describe.ts";
import { manName, manPage } from "./man.ts";

/** A page and its file's name. */
export interface Page {
  readonly name: string;
  readonly text: string;
}

/** The date is that of making the pages: what they say is that of the sources. */
const own = () => ({ version: config.version, date: new Date().toISOString().slice(0, 10) });

/** Every page. */
export async function manPages(context: Context): Promise<Page[]> {
  const all = await describeAll(context);
  return all.map((command) => ({
    name: manName(command),
    text: manPage(command, { ...own(), all }),
  }));
}

/** The page of the command that `words` name. */
export async function manPageOf(context: Context, words: readonly string[]): Promise<string> {
  const all = await describeAll(context);
  return manPage(await describeCommand(context, words), { ...own(), all });
}
