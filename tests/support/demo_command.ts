/**
 * A demo guest as a process of its own, as a user starts it.
 *
 * @module
 */
import { type Running, startGuestmem } from "./cli.ts";

/** It runs until disposed. */
export interface DemoCommand extends AsyncDisposable {
  /** `proc:4242` */
  readonly target: string;
  readonly running: Running;
}

/** Starts `guestmem demo` with more words, and waits until it runs. */
export async function startDemoCommand(...more: string[]): Promise<DemoCommand> {
  const running = startGuestmem(["demo", "--for", "120s", "--json", ...more]);
  const { target } = JSON.parse(await running.line(/^\{/));
  return {
    target,
    running,
    async [Symbol.asyncDispose]() {
      await running.end("SIGINT");
    },
  };
}
