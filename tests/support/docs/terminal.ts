/**
 * A real terminal (tmux), and what stands on it, cell by cell.
 *
 * @module
 */
import xterm, { type IBufferCell } from "@xterm/headless";

/** A cell: its text and how it is shown. */
export interface Cell {
  /** What stands there; a blank where nothing does, empty right of a wide character. */
  readonly text: string;
  /** Cells that it takes: 1, or 2 for a wide character, 0 right of one. */
  readonly width: number;
  /** Number of the colour of 256; null for the terminal's own. */
  readonly color: number | null;
  readonly background: number | null;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly inverse: boolean;
}

/** A terminal with a shell in it. Disposing ends both. */
export interface Terminal extends AsyncDisposable {
  /** Types keys as tmux names them: text, `Enter`, `C-c`. */
  type(...keys: string[]): Promise<void>;
  /** Waits until a line matches, at most a minute. */
  shows(pattern: RegExp): Promise<void>;
  /** What it shows now, row by row. */
  cells(): Promise<Cell[][]>;
}

/** What to start. */
export interface TerminalOptions {
  readonly columns: number;
  readonly rows: number;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts bash in a terminal of its own. */
export async function openTerminal(options: TerminalOptions): Promise<Terminal> {
  const { columns, rows, folder, env } = options;
  const server = ["-L", `guestmem-${crypto.randomUUID().slice(0, 8)}`, "-f", "/dev/null"];
  const set = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const size = ["-x", `${columns}`, "-y", `${rows}`];
  const bash = "exec bash --norc --noprofile";
  await tmux(...server, "new-session", "-d", ...size, "-c", folder, ...set, bash);
  const capture = () => tmux(...server, "capture-pane", "-p", "-e");
  return {
    type: async (...keys) => void await tmux(...server, "send-keys", ...keys),
    async shows(pattern) {
      const end = performance.now() + 60_000;
      for (let text = ""; !pattern.test(text);) {
        if (performance.now() > end) throw new Error(`no ${pattern} in:\n${text}`);
        await new Promise((done) => setTimeout(done, 100));
        text = await tmux(...server, "capture-pane", "-p");
      }
    },
    cells: async () => await cellsOf(await capture(), columns, rows),
    [Symbol.asyncDispose]: async () => void await tmux(...server, "kill-server"),
  };
}

async function tmux(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("tmux", { args }).output();
  if (!success) throw new Error(`tmux ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Reads escape sequences as a terminal does. */
async function cellsOf(text: string, columns: number, rows: number): Promise<Cell[][]> {
  const screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
  const lines = text.replace(/\n$/, "").replaceAll("\n", "\r\n");
  await new Promise<void>((done) => screen.write(lines, done));
  const { active } = screen.buffer;
  const shown = Array.from({ length: rows }, (_, y) => {
    const line = active.getLine(y);
    return Array.from({ length: columns }, (_, x) => cellOf(line?.getCell(x)));
  });
  screen.dispose();
  return shown;
}

function cellOf(cell: IBufferCell | undefined): Cell {
  return {
    text: cell?.getChars() || (cell?.getWidth() === 0 ? "" : " "),
    width: cell?.getWidth() ?? 1,
    color: cell?.isFgPalette() ? cell.getFgColor() : null,
    background: cell?.isBgPalette() ? cell.getBgColor() : null,
    bold: (cell?.isBold() ?? 0) !== 0,
    dim: (cell?.isDim() ?? 0) !== 0,
    inverse: (cell?.isInverse() ?? 0) !== 0,
  };
}
