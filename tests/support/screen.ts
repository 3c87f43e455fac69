/**
 * A real terminal that is looked at as a whole: tmux draws it and types into it.
 *
 * @module
 */
import { commandLine, ROOT } from "./cli.ts";
import { onPath } from "./linux_guest.ts";

/** Why there is no terminal here, or null. */
export function tmuxMissing(): string | null {
  return onPath("tmux") ? null : "no tmux: apt-get install tmux";
}

/** A run of the command line on a terminal. */
export interface Terminal extends AsyncDisposable {
  /** Presses keys, by tmux's names for them: `a`, `Up`, `Enter`, `C-c`. */
  press(...keys: string[]): Promise<void>;
  /** What stands on the terminal now, without blanks at the ends of lines. */
  screen(): Promise<string>;
  /** Waits until the terminal shows what matches. Gives all of it. */
  shows(pattern: RegExp): Promise<string>;
  /** The same with colours. */
  painted(): Promise<string>;
  resize(columns: number, rows: number): Promise<void>;
  /** The process of the run. */
  pid(): Promise<number>;
  /** Waits for the end of the run: its exit code, and what it left the terminal like. */
  ended(): Promise<Ending>;
  /** Takes the terminal away, as a lost connection does. */
  close(): Promise<void>;
}

/** How a run left its terminal. */
export interface Ending {
  readonly code: number;
  /** `stty -a` says what it said before. */
  readonly modes: "as before" | string;
  /** The alternate screen is still there. */
  readonly alternate: boolean;
  readonly cursor: boolean;
  readonly wrap: boolean;
}

/** What a terminal is like. */
export interface TerminalOptions {
  /** Default 80 by 24. */
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** How long something may take to show, in milliseconds: the machine may be busy. */
const PATIENCE = 30_000;

/**
 * Runs the command line on a terminal of its own, from a shell with job control: where the run is
 * stopped the shell says `stopped` and the terminal's modes, and Enter makes it go on.
 */
export function onTerminal(
  words: readonly string[],
  options: TerminalOptions = {},
): Promise<Terminal> {
  return commandOnTerminal(commandLine(words), options);
}

/** The same with any command. */
export async function commandOnTerminal(
  command: readonly string[],
  { columns = 80, rows = 24, env = {} }: TerminalOptions = {},
): Promise<Terminal> {
  const folder = await Deno.makeTempDir({ prefix: "guestmem-terminal-" });
  const socket = `${folder}/tmux`;
  const tmux = async (...args: string[]) => {
    const { stdout, stderr, success } = await new Deno.Command("tmux", {
      args: ["-S", socket, "-f", "/dev/null", "-u", ...args],
      cwd: ROOT,
      stdin: "null",
    }).output();
    if (!success) throw new Error(`tmux ${args[0]}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  };
  const line = command.map((word) => `'${word}'`).join(" ");
  const script = `stty -a >${folder}/before; ${line}; code=$?; ` +
    `while [ -n "$(jobs -s)" ]; do echo stopped; stty -a; read -r _; fg; code=$?; done; ` +
    `stty -a >${folder}/after; printf '%s\\n' "$code" >${folder}/code; exec sleep 600`;
  const variables = Object.entries({ LANG: "C.UTF-8", ...env })
    .flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const size = ["-x", `${columns}`, "-y", `${rows}`];
  await tmux("new-session", "-d", ...size, ...variables, "bash", "--norc", "-mc", script);
  const trimmed = (text: string) => text.replace(/ +$/gm, "").trimEnd();
  const screen = async () => trimmed(await tmux("capture-pane", "-p"));
  const format = async (text: string) => (await tmux("display-message", "-p", text)).trim();
  const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
  let open = true;
  const close = async () => {
    if (open) await tmux("kill-server");
    open = false;
  };
  return {
    press: async (...keys) => void await tmux("send-keys", ...keys),
    screen,
    async shows(pattern) {
      let seen = "";
      const found = await until(async () => pattern.test(seen = await screen()));
      if (!found) throw new Error(`no ${pattern} in:\n${seen}`);
      return seen;
    },
    painted: () => tmux("capture-pane", "-p", "-e"),
    resize: async (x, y) => void await tmux("resize-window", "-x", `${x}`, "-y", `${y}`),
    async pid() {
      const shell = await format("#{pane_pid}");
      const children = await Deno.readTextFile(`/proc/${shell}/task/${shell}/children`);
      return Number(children.trim().split(" ")[0]);
    },
    async ended() {
      const found = await until(() => read("code").then((text) => text !== "", () => false));
      if (!found) throw new Error(`the run does not end:\n${await screen()}`);
      const [before, after] = await Promise.all([read("before"), read("after")]);
      // Its size may have been changed meanwhile, and is no mode.
      const modes = (text: string) => text.replace(/rows \d+; columns \d+;/, "");
      const flags = await format("#{alternate_on}#{cursor_flag}#{wrap_flag}");
      return {
        code: Number(await read("code")),
        modes: modes(before) === modes(after) ? "as before" : after,
        alternate: flags[0] === "1",
        cursor: flags[1] === "1",
        wrap: flags[2] === "1",
      };
    },
    close,
    async [Symbol.asyncDispose]() {
      await close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function until(done: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + PATIENCE; performance.now() < end;) {
    if (await done()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}
