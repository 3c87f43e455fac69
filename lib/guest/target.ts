/**
 * The locator grammar: `SCHEME:WHAT[/DEVICE[:QUEUE]]` or `NAME@SESSION[/DEVICE[:QUEUE]]`.
 *
 * `WHAT` may be a path with slashes; then a device is told apart by what exists: see
 * {@linkcode parseTarget}.
 *
 * @module
 */

/** A parsed target. */
export interface Target {
  /** `file`, `shm`, `qemu` …; `session` for `NAME@SESSION`. */
  readonly scheme: string;
  /** Path, pid, socket, domain id …; for a session `NAME@SESSION`. */
  readonly what: string;
  /** A device's name; null for all. */
  readonly device: string | null;
  /** A queue's index or its name; null for all. */
  readonly queue: string | null;
  /** As the operator wrote it. */
  readonly text: string;
}

/** Schemes whose WHAT may contain slashes. */
export const PATH_SCHEMES: ReadonlySet<string> = new Set([
  "file",
  "core",
  "qemu",
  "vhost",
  "ivshmem",
]);

/** Every scheme, in the order of the manual. */
export const SCHEMES = [
  "file",
  "shm",
  "qemu",
  "proc",
  "vhost",
  "ivshmem",
  "xen",
  "pci",
  "mmio",
  "ccw",
  "core",
] as const;

/**
 * Parses a target. Where WHAT is a path, the longest prefix for which `exists` says yes is taken as
 * the path and the rest as device and queue; with none, everything is the path.
 *
 * Throws SyntaxError, naming what is wrong and what would be right.
 */
export function parseTarget(text: string, exists: (path: string) => boolean): Target {
  const session = /^([A-Za-z0-9_.-]+)@([A-Za-z0-9_.-]+)(?:\/(.*))?$/.exec(text);
  if (session) {
    return {
      scheme: "session",
      what: `${session[1]}@${session[2]}`,
      ...tail(session[3], text),
      text,
    };
  }
  const colon = text.indexOf(":");
  if (colon <= 0) {
    throw new SyntaxError(`not a target: "${text}" (want SCHEME:WHAT, such as qemu:4242/blk0:0)`);
  }
  const scheme = text.slice(0, colon);
  if (!(SCHEMES as readonly string[]).includes(scheme)) {
    throw new SyntaxError(`unknown scheme "${scheme}" (known: ${SCHEMES.join(", ")})`);
  }
  const rest = text.slice(colon + 1);
  if (rest === "") throw new SyntaxError(`target "${text}" names nothing after "${scheme}:"`);
  const cut = PATH_SCHEMES.has(scheme) ? pathLength(rest, exists) : firstSlash(rest);
  const deviceText = cut < rest.length ? rest.slice(cut + 1) : undefined;
  return { scheme, what: rest.slice(0, cut), ...tail(deviceText, text), text };
}

function firstSlash(rest: string): number {
  const slash = rest.indexOf("/");
  return slash < 0 ? rest.length : slash;
}

function pathLength(rest: string, exists: (path: string) => boolean): number {
  if (/^[0-9]+(\/|$)/.test(rest)) return firstSlash(rest);
  for (let end = rest.length; end > 0; end = rest.lastIndexOf("/", end - 1)) {
    if (exists(rest.slice(0, end))) return end;
  }
  return rest.length;
}

function tail(
  part: string | undefined,
  text: string,
): { device: string | null; queue: string | null } {
  if (part === undefined) return { device: null, queue: null };
  const match = /^([^:/]+)(?::([^:/]+))?$/.exec(part);
  if (!match) {
    throw new SyntaxError(`bad device in target "${text}": want /DEVICE or /DEVICE:QUEUE`);
  }
  return { device: match[1], queue: match[2] ?? null };
}
