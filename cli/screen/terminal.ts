/**
 * The terminal as one screen: everything that reads keys, learns its size and writes to it.
 *
 * Whatever ends the process gives the terminal back: `dispose`, `Deno.exit` (a second Ctrl-C), an error
 * that nobody caught. Deno itself sets the terminal's modes back when it ends.
 *
 * @module
 */
import process from "node:process";
import {
  cursorHide,
  cursorShow,
  enterAlternativeScreen,
  exitAlternativeScreen,
} from "ansi-escapes";
import { stopJob } from "../../lib/stop_job.ts";
import type { Screen, ScreenEvents } from "../context.ts";
import { terminalSize } from "../terminal_size.ts";
import { keyDecoder } from "./keys.ts";
import { Painter } from "./painter.ts";

/** DECAWM: whether what does not fit goes on in the next line. */
const WRAP = { off: "\x1b[?7l", on: "\x1b[?7h" } as const;
const ENTER = enterAlternativeScreen + cursorHide + WRAP.off;
const LEAVE = WRAP.on + cursorShow + exitAlternativeScreen;

/** Ways to end without the screen being disposed. */
const ENDS = ["unload", "error", "unhandledrejection"] as const;

/** Takes the terminal; `write` writes to stdout. */
export function takeScreen(
  events: ScreenEvents,
  write: (bytes: Uint8Array) => Promise<void>,
): Screen {
  const encoder = new TextEncoder();
  const painter = new Painter();
  const keys = process.stdin.isTTY === true;
  let taken = true;

  const decode = keyDecoder((key) => {
    if (!taken) return;
    if (key === "ctrl-z") suspend();
    else events.key(key);
  });
  const resized = () => {
    painter.reset();
    events.resize(terminalSize());
  };
  /** Back from being stopped: another program has had the terminal. */
  const continued = () => {
    if (keys) process.stdin.setRawMode(false).setRawMode(true);
    writeNow(encoder.encode(ENTER));
    resized();
  };
  const suspend = () => {
    writeNow(encoder.encode(LEAVE));
    process.stdin.setRawMode(false);
    stopJob();
    continued();
  };
  const leave = () => {
    if (!taken) return;
    taken = false;
    writeNow(encoder.encode(LEAVE));
    if (keys) {
      process.stdin.off("data", decode);
      process.stdin.pause();
      process.stdin.setRawMode(false);
    }
    Deno.removeSignalListener("SIGWINCH", resized);
    Deno.removeSignalListener("SIGCONT", continued);
    for (const end of ENDS) globalThis.removeEventListener(end, leave);
  };

  for (const end of ENDS) globalThis.addEventListener(end, leave);
  Deno.addSignalListener("SIGWINCH", resized);
  Deno.addSignalListener("SIGCONT", continued);
  if (keys) {
    process.stdin.setRawMode(true);
    process.stdin.on("data", decode);
    process.stdin.resume();
  }
  writeNow(encoder.encode(ENTER));
  return {
    keys,
    size: terminalSize,
    async draw(lines) {
      const text = painter.paint(lines);
      if (text !== "" && taken) await write(encoder.encode(text));
    },
    [Symbol.dispose]: leave,
  };
}

/** Milliseconds between two attempts to write to a full terminal, and how many there are. */
const RETRY = 5;
const ATTEMPTS = 200;

/** Writes without waiting for anything else: there may be no later. A terminal that is gone is no loss. */
function writeNow(bytes: Uint8Array): void {
  let done = 0;
  for (let attempt = 0; attempt < ATTEMPTS && done < bytes.length; attempt++) {
    try {
      done += Deno.stdout.writeSync(bytes.subarray(done));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY);
    }
  }
}
