/**
 * From the text of a target to an attachment, and from nothing to a list of guests. Here the system
 * calls are opened, so that the command line needs no ffi.
 *
 * @module
 */
import { S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { Guest } from "../guest/guest.ts";
import { parseTarget, SCHEMES, type Target } from "../guest/target.ts";
import { nearestWord } from "../nearest.ts";
import { type Addition, composed, parseAddition } from "./compose.ts";
import { sourceFor, SOURCES } from "./registry.ts";
import type { Attachment, AttachOptions, DomainPart } from "./source.ts";

/** What a caller may say; everything else has its default. */
export interface OpenOptions {
  /** Default false: read-only. */
  readonly write?: boolean;
  /** Layout file; default none. */
  readonly layout?: string | null;
  /** Of a Xen domain these grants or frames alone; default all of its memory. */
  readonly part?: DomainPart | null;
  /** Ends slow work; default none. */
  readonly signal?: AbortSignal | null;
  /** Is told which path was taken and why; default nobody. */
  readonly log?: (line: string) => void;
  /** Default: what `log` gets. See `AttachOptions.notice`. */
  readonly notice?: (line: string) => void;
  /** See `AttachOptions.guess`. */
  readonly guess?: boolean;
  /** Memory of other targets to put in: `GPA=TARGET[:OFFSET+LENGTH][:ro|rw]`, see `compose.ts`. */
  readonly add?: readonly string[];
  /** What is added may take the place of memory that is there. Default false. */
  readonly replace?: boolean;
  /**
   * What `NAME@this` names: see `AttachOptions.session`.
   *
   * @internal
   */
  readonly session?: AttachOptions["session"];
  /**
   * Default: the real system calls.
   *
   * @internal
   */
  readonly sys?: Sys;
}

/**
 * Attaches the guest that a target names. The caller disposes the attachment. Throws `SourceError`
 * (stage `parse` for a text that is no target) or `SyscallError`.
 */
export async function openTarget(text: string, options: OpenOptions = {}): Promise<Attachment> {
  const additions = (options.add ?? []).map(addition);
  const base = await openOne(text, options);
  const open = (target: string, write: boolean) =>
    openOne(target, { ...options, write, layout: null, part: null, guess: false });
  const replace = options.replace ?? false;
  const whole = additions.length === 0 ? base : await composed(base, { additions, replace, open });
  if (options.log !== undefined) tellBackings(whole, options.log);
  return whole;
}

/**
 * Which path to the bytes was taken, and why: a line for each thing that backs regions. Memory that is
 * found at its first use is left alone: it may never be wanted, and it may not be there.
 */
function tellBackings(attachment: Attachment, log: (line: string) => void): void {
  if (attachment.lazy) return;
  const { table } = attachment.memory;
  for (const { label, how } of new Set(table.regions.map(({ backing }) => backing))) {
    if (how !== undefined) log(`${label}: ${how}`);
  }
}

async function openOne(text: string, options: OpenOptions): Promise<Attachment> {
  const full = complete(options);
  const target = parsed(text, full.sys);
  const source = await sourceFor(target.scheme);
  if (source === null) {
    const known = SOURCES.map(({ scheme }) => `${scheme}:`).join(", ");
    const text = `no source for "${target.scheme}:" in this version`;
    throw new SourceError(target.scheme, "open", "unsupported", text, `known: ${known}`);
  }
  if (full.part !== null && target.scheme !== "xen") throw noDomain(target);
  full.log(`target ${target.text}: scheme ${target.scheme}, ${target.what}`);
  return await source.attach(target, full);
}

function noDomain({ scheme, text }: Target): SourceError {
  const what = `${text} is no domain of Xen: it has no grants or frames to list`;
  return new SourceError(scheme, "open", "unsupported", what, "want xen:DOMID");
}

/** What {@linkcode findGuests} found, and what it could not look at. */
export interface Found {
  /** In the order of the sources. */
  readonly guests: readonly Guest[];
  /** Sources that could not look, and why. */
  readonly problems: readonly { readonly scheme: string; readonly text: string }[];
}

/** What to look for; default everything. */
export interface FindOptions extends OpenOptions {
  /** Only these schemes. */
  readonly schemes?: readonly string[];
  /** Whether the devices of a guest are wanted; where asking for them is slow, others have none. */
  readonly devicesOf?: (target: string) => boolean;
}

/** Guests of every source that can find some. A source that fails does not hide the others. */
export async function findGuests(options: FindOptions = {}): Promise<Found> {
  const { schemes = null, devicesOf = () => true } = options;
  const full = { ...complete(options), devicesOf };
  const guests: Guest[] = [];
  const problems: { scheme: string; text: string }[] = [];
  for (const { scheme, load } of SOURCES) {
    if (schemes?.includes(scheme) === false) continue;
    try {
      const source = await load();
      guests.push(...await source.find?.(full) ?? []);
    } catch (error) {
      if (!(error instanceof SourceError) && !isSyscallFailure(error)) throw error;
      problems.push({ scheme, text: error.message });
    }
  }
  return { guests, problems };
}

function addition(text: string): Addition {
  try {
    return parseAddition(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SourceError("target", "parse", "failed", error.message);
  }
}

function complete(options: OpenOptions): AttachOptions {
  const { write = false, layout = null, signal = null, log = () => {}, session = null } = options;
  const { part = null, notice = log, guess = false } = options;
  const sys = options.sys ?? openSys();
  return { sys, write, layout, part, guess, signal, log, notice, session };
}

function parsed(text: string, sys: Sys): Target {
  try {
    return parseTarget(text, (path) => isThing(sys, path) || isServable(sys, text, path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SourceError("target", "parse", "failed", error.message, meant(text));
  }
}

/** The target that was probably meant: of an unknown scheme the nearest one. Else empty. */
function meant(text: string): string {
  const scheme = text.split(":", 1)[0];
  const nearest = SCHEMES.includes(scheme as typeof SCHEMES[number])
    ? null
    : nearestWord(scheme, SCHEMES);
  return nearest === null ? "" : `did you mean ${nearest}${text.slice(scheme.length)}?`;
}

/** Whether a path exists and can have a device behind it. In a folder, what follows is a file's name. */
function isThing(sys: Sys, path: string): boolean {
  const mode = modeOf(sys, path);
  return mode !== null && (mode & S_IFMT) !== S_IFDIR;
}

/**
 * Whether `path`, the beginning of what a `vhost:` target names, is a socket that we could make: in a
 * folder that is there, and followed by nothing or by what can only be a device.
 */
function isServable(sys: Sys, text: string, path: string): boolean {
  if (!text.startsWith(`vhost:${path}`)) return false;
  const rest = text.slice("vhost:".length + path.length);
  const slash = path.lastIndexOf("/");
  const folder = slash < 0 ? "." : path.slice(0, slash) || "/";
  const isFolder = ((modeOf(sys, folder) ?? 0) & S_IFMT) === S_IFDIR;
  return isFolder && /^(\/[a-z]+[0-9]+(:[a-z0-9]+)?)?$/.test(rest);
}

function modeOf(sys: Sys, path: string): number | null {
  try {
    return sys.stat(path).mode;
  } catch (error) {
    if (isSyscallFailure(error)) return null;
    throw error;
  }
}
