/**
 * What a session holds, by name: attachments, and taps. A long-lived session shares them by a socket
 * (`server.ts`); a script has one of its own in its process.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import { openTarget } from "../source/attach.ts";
import type { Attachment, DomainPart } from "../source/source.ts";
import { startTap } from "../tap/tap.ts";
import type { HeldInfo } from "./protocol.ts";

/** What to hold. */
export interface MapOptions {
  /** Paths in it as this process sees them. */
  readonly target: string;
  /** null: the next free of m1, m2 … */
  readonly name: string | null;
  readonly write: boolean;
  /** Layout file. */
  readonly layout: string | null;
  /** Memory of other targets to put in, see `OpenOptions`. */
  readonly add: readonly string[];
  readonly replace: boolean;
  /** See `OpenOptions`; absent for all of a guest's memory. */
  readonly part?: DomainPart | null;
  readonly signal: AbortSignal | null;
  readonly log: (line: string) => void;
  /** See `OpenOptions`; default what `log` gets. */
  readonly notice?: (line: string) => void;
}

/** Something held. */
export interface Held {
  readonly name: string;
  /** What was mapped. */
  readonly of: string;
  readonly write: boolean;
  /** What of it, where not all. */
  readonly part: DomainPart | null;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly attachment: Attachment;
  /** Runs what must not overlap, one after the other: questions to a monitor, kicks. */
  alone<T>(run: () => Promise<T>): Promise<T>;
  /** Devices are as they were then: `performance.now()`. */
  refreshed: number;
}

/** Holds until disposed; then everything is closed, the last first. */
export interface Holder extends AsyncDisposable {
  /** The session's name. */
  readonly session: string;
  list(): HeldInfo[];
  /** Attaches and holds. Gives the name. Throws what `openTarget` throws, SourceError for a name. */
  map(options: MapOptions): Promise<string>;
  /** Starts a tap and holds it. Gives its name. Throws what `startTap` throws. */
  tap(listen: string, connect: string): string;
  /** Lets go. Throws `SourceError` (not-found). */
  unmap(name: string): Promise<void>;
  /** Throws `SourceError` (not-found). */
  get(name: string): Held;
}

/** Things that one session holds at most. */
const LIMIT = 1024;

/** Devices younger than this, in milliseconds, are not asked for again when somebody attaches. */
const FRESH = 1000;

/** After a guest did not answer, it is not asked again for so long, in milliseconds. */
const BACKOFF = 10_000;

interface Entry {
  readonly info: () => HeldInfo;
  readonly held: Held | null;
  close(): Promise<void>;
}

/** An empty holder of a session's name. */
export function createHolder(session: string, sys: Sys = openSys()): Holder {
  const entries = new Map<string, Entry | null>();
  const count = { m: 0, t: 0 };

  function reserve(wanted: string | null, letter: "m" | "t"): string {
    let name = wanted ?? `${letter}${++count[letter]}`;
    while (wanted === null && entries.has(name)) name = `${letter}${++count[letter]}`;
    checkHeldName(name);
    if (entries.has(name)) {
      const remedy = `unmap ${name}@${session} first, or take another name`;
      throw new SourceError(
        "session",
        "map",
        "busy",
        `${name}@${session} is there already`,
        remedy,
      );
    }
    if (entries.size >= LIMIT) {
      const text = `session ${session} holds ${LIMIT} things already`;
      throw new SourceError("session", "map", "busy", text, "unmap some of them");
    }
    entries.set(name, null);
    return name;
  }

  async function map(options: MapOptions): Promise<string> {
    refuseOwn(options.target);
    const name = reserve(options.name, "m");
    const ending = new AbortController();
    try {
      const held = await attach(sys, name, options, ending);
      const dispose = async () => await held.attachment[Symbol.asyncDispose]();
      const close = () => {
        ending.abort(new DOMException("the mapping is let go of", "AbortError"));
        return held.alone(dispose);
      };
      entries.set(name, { held, info: () => heldInfo(held), close });
      return name;
    } catch (error) {
      entries.delete(name);
      throw error;
    }
  }

  function tap(listen: string, connect: string): string {
    const name = reserve(null, "t");
    try {
      const running = startTap({ sys, listen, connect });
      // It ends by itself only where the machine fails it; the list shows no devices then.
      running.done.catch(() => {});
      const since = Date.now();
      const of = `vhost:${running.socket}`;
      const kind = "tap" as const;
      const info = () => ({ name, of, kind, write: false, since, devices: 0, part: null });
      entries.set(name, { held: null, info, close: () => running.close() });
      return name;
    } catch (error) {
      entries.delete(name);
      throw error;
    }
  }

  async function unmap(name: string): Promise<void> {
    const entry = entries.get(name) ?? null;
    if (entry === null) throw unknown(name);
    entries.delete(name);
    await entry.close();
  }

  function get(name: string): Held {
    const entry = entries.get(name) ?? null;
    if (entry === null) throw unknown(name);
    if (entry.held !== null) return entry.held;
    const remedy = `${entry.info().of} is its target once somebody is connected`;
    throw new SourceError("session", "open", "unsupported", `${name} is a tap`, remedy);
  }

  function unknown(name: string): SourceError {
    const names = [...entries].filter(([, entry]) => entry !== null).map(([key]) => key);
    const text = `session ${session} holds no "${name}"`;
    const remedy = names.length === 0 ? "it holds nothing" : `it holds ${names.join(", ")}`;
    return new SourceError("session", "open", "not-found", text, remedy);
  }

  async function close(): Promise<void> {
    for (const name of [...entries.keys()].reverse()) {
      if (entries.get(name) !== null) await unmap(name);
    }
  }

  const list = () => [...entries.values()].flatMap((entry) => entry === null ? [] : [entry.info()]);
  return { session, list, map, tap, unmap, get, [Symbol.asyncDispose]: close };
}

function checkHeldName(name: string): void {
  if (/^[A-Za-z0-9_.-]{1,64}$/.test(name)) return;
  const text = `"${name}" is no name: want letters, digits, ".", "_" and "-"`;
  throw new SourceError("session", "parse", "failed", text);
}

/** A session that attached itself would wait for its own answer. */
function refuseOwn(target: string): void {
  if (!/^[A-Za-z0-9_.-]+@/.test(target)) return;
  const text = `${target} is held by a session already`;
  throw new SourceError("session", "map", "unsupported", text, "map the guest's own target");
}

/** Who asks may give up on attaching; what is held then lives on until `ending`. */
async function attach(
  sys: Sys,
  name: string,
  options: MapOptions,
  ending: AbortController,
): Promise<Held> {
  const { target, write, layout, add, replace, part, signal: asking, log, notice = log } = options;
  asking?.throwIfAborted();
  const giveUp = () => ending.abort(asking?.reason);
  asking?.addEventListener("abort", giveUp, { once: true });
  try {
    const how = { sys, write, layout, add, replace, part, signal: ending.signal, log, notice };
    const attachment = await openTarget(target, how);
    const [since, refreshed] = [Date.now(), performance.now()];
    const what = { name, of: target, write, part: part ?? null };
    return { ...what, since, attachment, alone: oneAtATime(), refreshed };
  } finally {
    asking?.removeEventListener("abort", giveUp);
  }
}

function heldInfo({ name, of, write, part, since, attachment }: Held): HeldInfo {
  return { name, of, kind: "mapping", write, since, devices: attachment.devices.length, part };
}

/** Runs one after the other; a failure does not stop the next. */
export function oneAtATime(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const next = last.then(run, run);
    last = next.catch(() => {});
    return next;
  };
}

/**
 * Reads devices and rings again unless that was done a moment ago. A guest that is gone or does not
 * answer is no reason to withhold what is held of it: gives why, or an empty text.
 */
export async function freshen(held: Held, log: (line: string) => void): Promise<string> {
  try {
    await held.alone(async () => {
      if (performance.now() - held.refreshed < FRESH) return;
      await held.attachment.refresh();
      held.refreshed = performance.now();
    });
    return "";
  } catch (error) {
    if (!(error instanceof SourceError) && !isSyscallFailure(error)) throw error;
    // A guest that hangs is looked at often: each look would wait for its monitor.
    held.refreshed = performance.now() + BACKOFF;
    const note = `${held.of} is shown as it was before: ${error.message}`;
    log(note);
    return note;
  }
}
