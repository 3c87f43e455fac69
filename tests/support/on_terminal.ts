/**
 * A command on a terminal of its own, 80 by 24, of which nobody reads the picture: for what is
 * measured of a full-screen view from outside.
 *
 * @module
 */
import { commandLine, ROOT } from "./cli.ts";

/** A command that runs on a terminal. */
export interface OnTerminal {
  /** The command's own process. */
  readonly pid: number;
  /** Types `q` and waits for its end. */
  quit(): Promise<void>;
}

/** Starts a command of guestmem on a terminal. Throws where `script` is missing. */
export async function startOnTerminal(words: readonly string[]): Promise<OnTerminal> {
  const run = `stty rows 24 cols 80; exec ${commandLine([...words]).join(" ")}`;
  const terminal = new Deno.Command("script", {
    args: ["-qfec", run, "/dev/null"],
    cwd: ROOT,
    env: { TERM: "xterm-256color" },
    stdin: "piped",
    stdout: "null",
  }).spawn();
  const input = terminal.stdin.getWriter();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const children = `/proc/${terminal.pid}/task/${terminal.pid}/children`;
  return {
    pid: Number(Deno.readTextFileSync(children).trim()),
    async quit() {
      await input.write(new TextEncoder().encode("q"));
      await terminal.status;
      await input.close().catch(() => {});
    },
  };
}
