/**
 * How much there is room for.
 *
 * @module
 */

/** Columns and rows. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Where nobody says. */
const USUAL: Size = { columns: 80, rows: 24 };

/** The size of the terminal that stdout is. */
export function terminalSize(): Size {
  return sizeOr(Deno.consoleSize(), (name) => Deno.env.get(name));
}

/**
 * A size, or what stands in for it: a serial line (a hypervisor's console is one) has no size, and
 * says 0. There `COLUMNS` and `LINES` count, as with other programs.
 */
export function sizeOr(told: Size, variable: (name: string) => string | undefined): Size {
  const or = (value: number, name: string, usual: number) => {
    const set = Number(variable(name));
    return value > 0 ? value : Number.isInteger(set) && set > 0 && set < 0x10000 ? set : usual;
  };
  return {
    columns: or(told.columns, "COLUMNS", USUAL.columns),
    rows: or(told.rows, "LINES", USUAL.rows),
  };
}
