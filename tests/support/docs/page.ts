/**
 * A page with examples, as it stands in the repository.
 *
 * @module
 */
import { type Block, blocksOf } from "./markdown.ts";

const ROOT = new URL("../../../", import.meta.url);

/** A page with the blocks to play on it. */
export interface Page {
  /** Path in the repository. */
  readonly path: string;
  readonly blocks: readonly Block[];
}

/** Reads a page. */
export function readPage(path: string): Page {
  return { path, blocks: blocksOf(Deno.readTextFileSync(new URL(path, ROOT))) };
}

/** All pages with examples, README first. */
export function pagePaths(): string[] {
  const walk = (folder: string): string[] =>
    [...Deno.readDirSync(new URL(folder, ROOT))].flatMap(({ name, isDirectory }) =>
      isDirectory ? walk(`${folder}/${name}`) : name.endsWith(".md") ? [`${folder}/${name}`] : []
    );
  return ["README.md", "mod.ts", ...walk("cli/docs").sort()];
}

/** The blocks of a page that follow each other in one scene, scene by scene. */
export function actsOf({ blocks }: Page): { scene: string; blocks: Block[] }[] {
  const acts: { scene: string; blocks: Block[] }[] = [];
  for (const block of blocks.filter(({ language }) => language === "console")) {
    const scene = block.words.join(" ");
    if (acts.at(-1)?.scene === scene) acts.at(-1)?.blocks.push(block);
    else acts.push({ scene, blocks: [block] });
  }
  return acts;
}
