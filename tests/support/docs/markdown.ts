/**
 * The fenced blocks of a page: Markdown, or a TypeScript file whose comment is one.
 *
 * @module
 */

/** What stands between two fences. */
export interface Block {
  /** First word after the fence: `console`, `ts`, `sh` … */
  readonly language: string;
  /** The words after it: for `console` and `ts`, the scene that it is played in. */
  readonly words: readonly string[];
  readonly text: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
}

const FENCE = /^(\s*)```(.*)$/;

/** The blocks of a page, in their order. Throws SyntaxError where a fence is not closed. */
export function blocksOf(text: string): Block[] {
  const lines = text.split("\n").map((line) => line.replace(/^ \* ?/, ""));
  const blocks: Block[] = [];
  for (let n = 0; n < lines.length; n++) {
    const open = FENCE.exec(lines[n]);
    if (open === null) continue;
    const close = lines.findIndex((line, i) => i > n && line.trim() === "```");
    if (close < 0) throw new SyntaxError(`line ${n + 1}: this fence is never closed`);
    const [language = "", ...words] = open[2].trim().split(/\s+/);
    blocks.push({ language, words, text: lines.slice(n + 1, close).join("\n"), line: n + 1 });
    n = close;
  }
  return blocks;
}

/** Where the links of a page go, without those to other hosts and to places on the page. */
export function linksOf(text: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
  return targets.filter((target) => !/^(https?:|#)/.test(target))
    .map((target) => target.replace(/#.*$/, ""));
}
