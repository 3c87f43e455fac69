/**
 * stdout and stderr, as commands use them.
 *
 * @module
 */
import type { Context, Screen, ScreenEvents } from "./context.ts";
import { escapeLines } from "./render/escape.ts";
import { terminalSize } from "./terminal_size.ts";

/** Thrown when nobody reads our output any more. Ends the program quietly. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/** What ends commands early. */
export interface Interruption {
  readonly signal: AbortSignal;
  readonly take: NonNullable<Context["takeInterrupt"]>;
}

/** A context over the process' own streams. */
export function processContext({ signal, take }: Interruption): Context {
  const terminal = Deno.stdout.isTerminal();
  const encoder = new TextEncoder();
  let say = printError;
  const whole = async (events: ScreenEvents): Promise<Screen> => {
    // A name that Deno can not see ahead: it would read all of it before anything runs.
    const path = "./screen/terminal.ts";
    const { takeScreen }: typeof import("./screen/terminal.ts") = await import(path);
    const screen = takeScreen(events, writeAll);
    if (Deno.stderr.isTerminal()) say = (text) => events.notice(text);
    return {
      ...screen,
      [Symbol.dispose]() {
        say = printError;
        screen[Symbol.dispose]();
      },
    };
  };
  return {
    signal,
    terminal,
    progress: Deno.stderr.isTerminal(),
    size: () => terminal ? terminalSize() : { columns: 80, rows: 24 },
    print: (text) => writeAll(encoder.encode(text + "\n")),
    write: writeAll,
    warn: (text) => say(text),
    exit: () => {},
    takeInterrupt: take,
    ...Deno.env.get("TERM") === "dumb" ? {} : { takeScreen: whole },
  };
}

/** Writes a line to stderr, made safe for a terminal. A closed stderr is nobody's loss. */
export function printError(text: string): void {
  const bytes = new TextEncoder().encode(escapeLines(text) + "\n");
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch (error) {
    // A full stderr has nowhere to be reported, and must not change the exit code.
    if (!(error instanceof Error)) throw error;
  }
}

/** Milliseconds between attempts to write to a stream that is full and does not block. */
const RETRY = 5;

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    try {
      done += await Deno.stdout.write(bytes.subarray(done));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
      if (!(error instanceof Deno.errors.WouldBlock)) {
        throw new Error("write stdout", { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }
}
