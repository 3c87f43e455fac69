/**
 * `proc:PID`: the memory and rings of a process that says where they are. It does so by a layout in
 * a memfd (`published.ts`), or an operator's `--layout` does it in its place. A process that
 * publishes several is named with one of them: `proc:PID.NAME`.
 *
 * @module
 */
import { POLLIN } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import { attempt } from "./attempt.ts";
import { LAYOUT_LIMIT } from "./file.ts";
import { readHostText, refused } from "./host_file.ts";
import { type Layout, layoutDevices, layoutParser, parseLayout } from "./layout.ts";
import { attachLayout } from "./layout_memory.ts";
import { type Guess, guessLayout } from "./proc_guess.ts";
import { openProcessBytes } from "./proc_memory.ts";
import {
  publishedField,
  type PublishedLayout,
  publishedVersion,
  readPublished,
} from "./published.ts";
import type { Attachment, AttachOptions, Guest, Source, Target } from "./source.ts";

const GIVE_LAYOUT =
  "give a --layout FILE whose memory entries are a memfd, an fd or an address of it";

/** Kinds of layouts whose guests other schemes list: those of taps. */
const NOT_OURS = new Set<unknown>(["tap", "sink"]);

/** `proc:PID` */
export const procSource: Source = {
  scheme: "proc",
  summary: "a process that publishes its layout, or any with --layout",
  // deno-lint-ignore require-await
  attach: async (target, options) => attachProcess(target, options),
  // deno-lint-ignore require-await
  find: async ({ sys, log }) => findProcesses(sys, log),
};

/** `PID` or `PID.NAME`. */
function parseWhat({ what }: Target): { pid: number; name: string | null } {
  const match = /^([1-9][0-9]{0,9})(?:\.(.+))?$/.exec(what);
  if (match !== null) return { pid: Number(match[1]), name: match[2] ?? null };
  const text = `"${what}" is no process id`;
  throw new SourceError("proc", "parse", "not-found", text, "name a process: proc:4242");
}

function attachProcess(target: Target, options: AttachOptions): Attachment {
  const { sys, write, layout, log, notice = log } = options;
  const { pid, name } = parseWhat(target);
  using undo = new DisposableStack();
  const alive = livenessOf(sys, pid, undo);
  const parse = layoutParser();
  const guess = options.guess === true && layout === null && name === null &&
    published(sys, pid).length === 0;
  const guessed = guess ? guessOf(sys, pid) : null;
  const warnings = guessed?.warnings ?? [];
  warnings.forEach(notice);
  const load = () => {
    alive();
    if (guessed !== null) return guessed.layout;
    if (layout === null) return parse(chosen(sys, pid, name).text);
    return parse(readHostText(sys, "proc", layout, LAYOUT_LIMIT));
  };
  const open = openProcessBytes({ sys, pid, write, layout, log });
  const resources = undo.move();
  const label = `process ${pid}`;
  return attachLayout({ target, write, name: label, pid, load, open, warnings, resources });
}

/** Throws where nothing in the process could be a guest's memory. */
function guessOf(sys: Sys, pid: number): Guess {
  const guess = looked(() => guessLayout(sys, pid));
  if (guess.layout.memory.length > 0) return guess;
  const why = guess.warnings.slice(1).map((text) => `; ${text}`).join("");
  const text =
    `process ${pid} publishes no layout, and no memory as large as RAM can be read${why}`;
  throw new SourceError("proc", "guess memory", "unsupported", text, GIVE_LAYOUT);
}

function looked<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw refused("proc", "read maps", error);
  }
}

/** Throws where the process has ended since: a pidfd does not pass on to whoever gets the pid next. */
function livenessOf(sys: Sys, pid: number, resources: DisposableStack): () => void {
  const ended = (cause?: unknown) => {
    const remedy = "guestmem find lists what is there";
    return new SourceError("proc", "open", "not-found", `no process ${pid}`, remedy, { cause });
  };
  if (attempt(() => sys.stat(`/proc/${pid}`)) === null) throw ended();
  const pidfd = resources.use(new Fd(sys, pidfdOf(sys, pid)));
  return () => {
    const [revents] = sys.pollNow([{ fd: pidfd.number, events: POLLIN }]);
    if (revents !== 0) throw ended();
  };
}

/** The process may end between the look and the call. */
function pidfdOf(sys: Sys, pid: number): number {
  try {
    return sys.pidfdOpen(pid);
  } catch (error) {
    throw refused("proc", "open", error);
  }
}

/** The layout that a process publishes under a name, or the only one. */
function chosen(sys: Sys, pid: number, name: string | null): PublishedLayout {
  const all = published(sys, pid);
  const found = name === null ? all : all.filter((layout) => nameOf(layout) === name);
  if (found.length === 1) return found[0];
  // A name with a line end in it would end ours, and speak in our name.
  const names = all.map((layout) => `proc:${pid}.${JSON.stringify(nameOf(layout)).slice(1, -1)}`)
    .join(", ");
  if (found.length > 1 || name !== null && all.length > 0) {
    const text = `process ${pid} publishes ${all.length} layouts`;
    throw new SourceError("proc", "read layout", "not-found", text, `name one: ${names}`);
  }
  throw nothingPublished(sys, pid);
}

function nothingPublished(sys: Sys, pid: number): SourceError {
  try {
    sys.readdir(`/proc/${pid}/fd`);
  } catch (error) {
    const refusal = refused("proc", "read layout", error);
    if (refusal instanceof SourceError) return refusal;
    throw refusal;
  }
  const text = `process ${pid} publishes no layout: no memfd "guestmem-layout" among its fds`;
  return new SourceError("proc", "read layout", "unsupported", text, GIVE_LAYOUT);
}

/** The newest layout of each name. */
function published(sys: Sys, pid: number): PublishedLayout[] {
  const newest = new Map<string, PublishedLayout>();
  for (const layout of readPublished(sys, pid)) {
    const other = newest.get(nameOf(layout));
    if (other === undefined || publishedVersion(layout) > publishedVersion(other)) {
      newest.set(nameOf(layout), layout);
    }
  }
  return [...newest.values()];
}

function nameOf(layout: PublishedLayout): string {
  const name = publishedField(layout, "name");
  return typeof name === "string" ? name : "";
}

function findProcesses(sys: Sys, log: (line: string) => void): Guest[] {
  const pids = sys.readdir("/proc").filter((name) => /^[1-9][0-9]*$/.test(name)).map(Number);
  return pids.sort((a, b) => a - b).flatMap((pid) => {
    const layouts = published(sys, pid)
      .filter((layout) => !NOT_OURS.has(publishedField(layout, "kind")));
    return layouts.map((layout) => {
      log(`process ${pid}: layout in fd ${layout.fd}`);
      return guestOf(pid, layout, layouts.length > 1);
    });
  });
}

/** A layout that can not be parsed still shows that there is one. */
function guestOf(pid: number, published: PublishedLayout, several: boolean): Guest {
  const suffix = several ? `.${nameOf(published)}` : "";
  const guest = { target: `proc:${pid}${suffix}`, name: nameOf(published), pid, state: "running" };
  try {
    const layout = parseLayout(published.text);
    return { ...guest, kind: kindOf(layout), ...contents(layout, pid), note: "" };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { ...guest, kind: "process", memory: null, devices: [], note: error.message };
  }
}

function kindOf({ kind }: Layout): string {
  return kind === "" ? "process" : kind;
}

function contents(layout: Layout, pid: number): Pick<Guest, "memory" | "devices"> {
  const memory = layout.memory.reduce((sum, entry) => sum + entry.size, 0n);
  return { memory, devices: layoutDevices(layout, pid) };
}
