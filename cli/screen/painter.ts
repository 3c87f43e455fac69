/**
 * What to write so that a terminal shows other lines: only those that changed, since the line to it
 * may be slow.
 *
 * @module
 */
import { cursorTo, eraseEndLine, eraseScreen } from "ansi-escapes";

/** Remembers what a terminal shows. */
export class Painter {
  #shown: readonly string[] = [];

  /** Forgets: the terminal shows something else now, and is erased before the next lines. */
  reset(): void {
    this.#shown = [];
  }

  /** What to write to show `lines`, from the first row on; empty where nothing changed. */
  paint(lines: readonly string[]): string {
    const anew = this.#shown.length !== lines.length;
    const before = anew ? [] : this.#shown;
    this.#shown = [...lines];
    // Erased before the text: after it, the last column of a full line would be lost.
    const changes = lines.flatMap((line, row) =>
      line === before[row] ? [] : [cursorTo(0, row) + eraseEndLine + line]
    );
    return (anew ? eraseScreen : "") + changes.join("");
  }
}
