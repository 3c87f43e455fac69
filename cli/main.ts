/**
 * The command line. Turns arguments into a command, and whatever comes of it into output and an exit
 * code. Nothing else of the project writes to stdout or ends the process.
 *
 * @module
 */
import { dispatch } from "./dispatch.ts";
import type { Context } from "./context.ts";
import { describeFailure, EXIT } from "./failure.ts";
import { OutputClosed, printError, processContext } from "./output.ts";
import type { Paged } from "./pager.ts";
import { setColorEnabled } from "./render/colors.ts";

/** Who is told of Ctrl-C: the program, or a shell that has taken it. */
interface Interrupts {
  readonly signal: AbortSignal;
  take(handler: () => void): Disposable;
}

/**
 * Milliseconds in which a signal that comes again is the same one: a terminal sends Ctrl-C to all of a
 * job, and what runs us may pass on its own.
 */
const ONE_SIGNAL = 500;

/** Ctrl-C asks a command to stop; a second one does not wait for it. */
function interruptible(): Interrupts {
  const controller = new AbortController();
  const handlers: (() => void)[] = [];
  const stop = () => {
    if (controller.signal.aborted) Deno.exit(EXIT.interrupted);
    controller.abort(new DOMException("interrupted", "AbortError"));
  };
  const ending = once(stop);
  Deno.addSignalListener("SIGINT", once(() => (handlers.at(-1) ?? ending)()));
  for (const name of ["SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
    Deno.addSignalListener(name, ending);
  }
  const take = (handler: () => void) => {
    handlers.push(handler);
    return { [Symbol.dispose]: () => void handlers.splice(handlers.indexOf(handler), 1) };
  };
  return { signal: controller.signal, take };
}

function once(run: () => void): () => void {
  let last = -Infinity;
  return () => {
    const now = performance.now();
    if (now - last < ONE_SIGNAL) return;
    last = now;
    run();
  };
}

/** Loaded only for a terminal: everything else wants its output as it comes. */
async function pagesFor(words: readonly string[], context: Context): Promise<Paged | null> {
  const path = "./pager.ts";
  const { isPaged, paged }: typeof import("./pager.ts") = await import(path);
  return isPaged(words) ? paged(context) : null;
}

async function main(): Promise<number> {
  const own = processContext(interruptible());
  setColorEnabled(own.terminal && !Deno.noColor);
  const pages = own.terminal ? await pagesFor(Deno.args, own) : null;
  const context = pages?.context ?? own;
  try {
    const { code, text, failure } = await dispatch(Deno.args, context);
    if (text !== "") await context.print(text.trimEnd());
    await pages?.close();
    if (failure !== null) {
      printError(`guestmem: ${failure.message}`);
      if (failure.remedy !== "") printError(`remedy: ${failure.remedy}`);
    }
    return code;
  } catch (error) {
    await pages?.close();
    if (error instanceof OutputClosed) return EXIT.done;
    const { code, message, remedy } = describeFailure(error);
    printError(`guestmem: ${message}`);
    if (remedy !== "") printError(`remedy: ${remedy}`);
    return code;
  }
}

if (import.meta.main) Deno.exit(await main());
