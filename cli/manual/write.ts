/**
 * `deno task man FOLDER`: writes every man page into FOLDER/man1.
 *
 * @module
 */
import { printError, processContext } from "../output.ts";
import { manPages } from "./pages.ts";

/** Writes all pages. Gives the folder they are in. Throws what the file system says. */
export async function writeManPages(folder: string): Promise<string> {
  const never = { signal: new AbortController().signal, take: () => ({ [Symbol.dispose]() {} }) };
  const pages = await manPages(processContext(never));
  const section = `${folder}/man1`;
  await Deno.mkdir(section, { recursive: true });
  for (const { name, text } of pages) await Deno.writeTextFile(`${section}/${name}`, text);
  return section;
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined || folder.startsWith("-")) {
    const what = folder === undefined ? "missing folder" : `${folder} is no folder`;
    printError(`guestmem: ${what}\nremedy: deno task man FOLDER`);
    Deno.exit(2);
  }
  printError(`guestmem: man pages in ${await writeManPages(folder)}`);
}
