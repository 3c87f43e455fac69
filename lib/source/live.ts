/**
 * What could be a target right now, for completion: names alone, and quickly. Nothing is attached, and
 * what does not answer in time is left out.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import type { Device, Guest, Queue } from "../guest/guest.ts";
import { PATH_SCHEMES, SCHEMES } from "../guest/target.ts";
import { devicesInSession, listSessions, type SessionInfo } from "../session/client.ts";
import { attempt } from "./attempt.ts";
import { findGuests, type OpenOptions } from "./attach.ts";

/** A target, or the beginning of one where it ends in `:` or `/`. */
export interface LiveTarget {
  readonly target: string;
  /** What it is. Not escaped: names come from outside. */
  readonly text: string;
}

/** How to look. */
export interface LiveOptions {
  readonly sys?: Sys;
  /** Milliseconds until what was not found yet is left out; default 800. */
  readonly within?: number;
}

/** Things of one kind: a guest with its devices, or what a session holds. */
export interface Family {
  readonly target: string;
  readonly text: string;
  readonly devices: readonly FamilyDevice[];
}

/** What is told of a device. */
export type FamilyDevice = Pick<Device, "name" | "bus"> & {
  readonly queues: readonly Pick<Queue, "index" | "name" | "note">[];
};

/** Files listed at most: a folder may hold a hundred thousand. */
const FILES = 500;

/** Targets that begin with `fragment`. Never rejects. */
export async function liveTargets(
  fragment: string,
  { sys = openSys(), within = 800 }: LiveOptions = {},
): Promise<LiveTarget[]> {
  const [scheme, rest] = split(fragment);
  const found = [...prefixes(fragment)];
  if (scheme !== null) found.push(...pathTargets(sys, scheme, rest));
  // One after the other: looking through /proc does not let go, and what waits meanwhile would be late.
  const sessions = scheme === null ? await heldFamilies(fragment, within) : [];
  const signal = AbortSignal.timeout(within);
  const guests = await guestFamilies(fragment, scheme, { sys, signal, within });
  return [...found, ...expand([...guests, ...sessions], fragment)];
}

/** What sessions hold, as `NAME@SESSION`. Never rejects. */
export async function liveHeld(
  fragment: string,
  { within = 800 }: LiveOptions = {},
): Promise<LiveTarget[]> {
  const families = await heldFamilies(fragment, within);
  return families.map(({ target, text }) => ({ target, text }));
}

/** Names of the sessions that run. Never rejects. */
export async function liveSessions({ within = 800 }: LiveOptions = {}): Promise<SessionInfo[]> {
  const late = AbortSignal.timeout(within);
  const all = await settled(listSessions(late), within, []);
  return all.filter(({ state }) => state === "running");
}

/**
 * Names of one level at a time, as with paths: guests; with one guest left its devices, too; with one
 * device left its queues.
 */
export function expand(families: readonly Family[], fragment: string): LiveTarget[] {
  const fits = families.filter(({ target }) =>
    target.startsWith(fragment) || fragment.startsWith(`${target}/`)
  );
  const guests = fits.map(({ target, text }) => ({ target, text }));
  const devices = fits.length === 1 ? devicesOf(fits[0], fragment) : [];
  const queues = devices.length === 1 ? devices[0].queues : [];
  return [...guests, ...devices, ...queues]
    .filter(({ target }) => target.startsWith(fragment))
    .map(({ target, text }) => ({ target, text }));
}

interface DeviceTarget extends LiveTarget {
  readonly queues: readonly LiveTarget[];
}

function devicesOf({ target, devices }: Family, fragment: string): DeviceTarget[] {
  return devices
    .map(({ name, queues, bus }) => {
      const device = `${target}/${name}`;
      return {
        target: device,
        text: [countText(queues.length), bus.kind, bus.id]
          .filter((part) => part !== "" && part !== "none").join(" "),
        queues: queues.map((queue) => ({
          target: `${device}:${queue.index}`,
          text: [queue.name, queue.note].filter((part) => part !== "").join(": "),
        })),
      };
    })
    .filter((device) =>
      device.target.startsWith(fragment) || fragment.startsWith(`${device.target}:`)
    );
}

function countText(queues: number): string {
  return queues === 1 ? "1 queue" : `${queues} queues`;
}

function split(fragment: string): [scheme: string | null, rest: string] {
  const colon = fragment.indexOf(":");
  return colon < 0 || fragment.includes("@")
    ? [null, fragment]
    : [fragment.slice(0, colon), fragment.slice(colon + 1)];
}

/** Schemes that name files, which nothing lists, or too much. */
function prefixes(fragment: string): LiveTarget[] {
  const named = ["file", "shm", "core"]
    .map((scheme) => ({ target: `${scheme}:`, text: `${scheme} …` }));
  return named.filter(({ target }) => target.startsWith(fragment) && target !== fragment);
}

/** Asks only the sources whose targets may begin so. */
async function guestFamilies(
  fragment: string,
  scheme: string | null,
  options: OpenOptions & { readonly within: number },
): Promise<Family[]> {
  const schemes = SCHEMES.filter((name) =>
    scheme === null ? name.startsWith(fragment) : name === scheme
  );
  const found = async (devicesOf: (target: string) => boolean) => {
    const looks = schemes.map((scheme) =>
      settled(findGuests({ ...options, schemes: [scheme], devicesOf }), options.within, NOTHING)
    );
    return (await Promise.all(looks)).flatMap(({ guests }) => guests).map(familyOf);
  };
  const names = await found((target) => fragment.startsWith(`${target}/`));
  const fits = names.filter(({ target }) => target.startsWith(fragment));
  if (fits.length !== 1 || fits[0].devices.length > 0) return names;
  return await found((target) => target === fits[0].target);
}

const NOTHING = { guests: [], problems: [] };

function familyOf({ target, name, kind, state, devices }: Guest): Family {
  const words = [...new Set([kind, name, state])].filter((word) => word !== "");
  return { target, text: words.join(" "), devices };
}

function heldFamilies(fragment: string, within: number): Promise<Family[]> {
  return settled(sessionFamilies(fragment, AbortSignal.timeout(within)), within, []);
}

async function sessionFamilies(fragment: string, signal: AbortSignal): Promise<Family[]> {
  const sessions = await listSessions(signal);
  const all = sessions.flatMap(({ name: session, held }) =>
    held.map(({ name, of, kind }) => ({ session, name, of, kind, target: `${name}@${session}` }))
  );
  const fits = all.filter(({ target }) =>
    target.startsWith(fragment) || fragment.startsWith(`${target}/`)
  );
  return await Promise.all(fits.map(async ({ session, name, of, kind, target }) => {
    const asked = fits.length === 1 && kind === "mapping";
    const devices = asked ? await devicesInSession({ session, signal }, name) : [];
    return { target, text: of, devices };
  }));
}

/** Whatever goes wrong in looking is no reason to disturb who types. */
async function settled<T>(promise: Promise<T>, within: number, otherwise: T): Promise<T> {
  const { promise: late, resolve } = Promise.withResolvers<T>();
  const timer = setTimeout(() => resolve(otherwise), within);
  try {
    return await Promise.race([promise.catch(() => otherwise), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Targets of a scheme that names files. */
function pathTargets(sys: Sys, scheme: string, rest: string): LiveTarget[] {
  if (scheme !== "shm" && !PATH_SCHEMES.has(scheme)) return [];
  const folder = scheme === "shm" ? "/dev/shm/" : "";
  return livePaths(rest, { sys, folder })
    .map((path) => ({ target: `${scheme}:${path}`, text: "" }));
}

/** Files that a path may be going to name; folders end in `/`. `folder` stands before all of them. */
export function livePaths(
  fragment: string,
  { sys = openSys(), folder = "" }: { readonly sys?: Sys; readonly folder?: string } = {},
): string[] {
  const cut = fragment.lastIndexOf("/") + 1;
  const [parent, begin] = [fragment.slice(0, cut), fragment.slice(cut)];
  const names = attempt(() => sys.readdir(folder + parent || ".")) ?? [];
  return names
    .filter((name) => name.startsWith(begin) && (begin !== "" || !name.startsWith(".")))
    .slice(0, FILES)
    .map((name) => {
      const mode = attempt(() => sys.stat(folder + parent + name))?.mode ?? 0;
      return parent + name + ((mode & S_IFMT) === S_IFDIR ? "/" : "");
    });
}
