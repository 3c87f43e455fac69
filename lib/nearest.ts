/**
 * The word that was probably meant.
 *
 * @module
 */

/** The nearest of `words` in at most two edits, fewer than the word has letters; null for none. */
export function nearestWord(word: string, words: readonly string[]): string | null {
  const limit = Math.min(3, word.length);
  const ranked = words.map((other) => ({ other, edits: edits(word.slice(0, 64), other) }));
  const [best] = ranked.filter((one) => one.edits < limit).sort((a, b) => a.edits - b.edits);
  return best?.other ?? null;
}

/** Letters to insert, drop or change: Levenshtein's distance, one row at a time. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const changed = row[j] + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(changed, row[j + 1] + 1, next[j] + 1));
    }
    row = next;
  }
  return row[to.length];
}
