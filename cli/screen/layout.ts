/**
 * How the lines of the terminal are shared out. Pure.
 *
 * ```text
 *   title
 *   status
 *   heading     }
 *   rows        } list       or the opened queue
 *   …           }
 *   pane        more of the queue under the cursor, where there is room
 *   keys
 * ```
 *
 * @module
 */
import type { Size } from "./state.ts";

/** Smallest terminal that is drawn on. */
export const SMALLEST: Size = { columns: 40, rows: 8 };

/** Title, status and keys. */
const FRAME = 3;
/** Lines of the pane, at least and at most. */
const PANE = 9;
const PANE_MOST = 12;
/** Rows that are worth more than a pane, and those that are worth more than a larger one. */
const ROWS = 4;
const MANY_ROWS = 10;

/** The shares, in lines. */
export interface Layout {
  readonly fits: boolean;
  /** Rows of the list, without its heading. */
  readonly list: number;
  /** 0 where there is no room for it. */
  readonly pane: number;
  /** Lines of the help. */
  readonly page: number;
  /** Lines for the chains of an opened queue, and of the pane above them. */
  readonly opened: number;
  readonly openedPane: number;
}

/** The shares on a terminal of this size. */
export function layoutOf({ columns, rows }: Size): Layout {
  const page = Math.max(1, rows - FRAME);
  const list = page - 1;
  const pane = list - PANE >= ROWS ? larger(list - MANY_ROWS) : 0;
  const openedPane = pane === 0 ? 0 : larger(page >> 1);
  const fits = columns >= SMALLEST.columns && rows >= SMALLEST.rows;
  const opened = page - openedPane;
  return { fits, list: Math.max(1, list - pane), pane, page, opened, openedPane };
}

function larger(room: number): number {
  return Math.min(PANE_MOST, Math.max(PANE, room));
}
