/**
 * Where sessions have their sockets: a folder that is the user's own, `$XDG_RUNTIME_DIR/guestmem`,
 * else `/run/user/UID/guestmem`, else `/tmp/guestmem-UID`. Whoever could put a socket there could
 * take a session's place, so a folder of somebody else's, or one that others may enter, is refused.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";

/** The name that a script or a shell calls its own session by. */
export const OWN_SESSION = "this";

/** End of a socket's name. */
const SUFFIX = ".sock";

/** Longest name of a session; a socket's path has 107 bytes at most. */
const NAME_LENGTH = 48;

/** The folder's path. Looks, makes nothing. `environment` gives a variable's value. */
export function sessionFolder(
  sys: Pick<Sys, "uid">,
  environment: (name: string) => string | undefined = variable,
): string {
  const { uid } = sys;
  const runtime = environment("XDG_RUNTIME_DIR") ?? "";
  // sudo and su may leave the variable of another user behind.
  for (const folder of [runtime, `/run/user/${uid}`]) {
    if (folder.startsWith("/") && isOwnFolder(folder, uid)) return `${folder}/guestmem`;
  }
  return `/tmp/guestmem-${uid}`;
}

function variable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

function isOwnFolder(path: string, uid: number): boolean {
  const info = look(path);
  return info !== null && info.isDirectory && info.uid === uid;
}

/** The path itself, not what a link leads to; null where nothing is there. */
export function look(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (error instanceof Deno.errors.NotADirectory) return null;
    throw told("look at", path, error);
  }
}

/** Makes the folder if need be, mode 0700. Throws `SourceError` where it can not be trusted. */
export function makeFolder(sys: Pick<Sys, "uid">, path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw told("make", path, error);
  }
  if (!checkFolder(sys, path)) {
    throw new SourceError("session", "make", "failed", `${path} is gone`);
  }
}

/** Whether the folder is there. Throws `SourceError` for one that is not ours alone. */
export function checkFolder({ uid }: Pick<Sys, "uid">, path: string): boolean {
  const info = look(path);
  if (info === null) return false;
  const elsewhere = "set XDG_RUNTIME_DIR to a folder of your own";
  if (!info.isDirectory) throw refusal("failed", `${path} is no folder`, elsewhere);
  if (info.uid !== uid) {
    throw refusal("permission", `${path} belongs to user ${info.uid}, not to ${uid}`, elsewhere);
  }
  const mode = (info.mode ?? 0) & 0o777;
  if ((mode & 0o077) !== 0) {
    const text = `${path} has mode 0${mode.toString(8)}: others may enter it`;
    throw refusal("permission", text, `chmod 700 ${path}, and look at what is in it`);
  }
  return true;
}

/**
 * Keeps every other start of a session out until disposed, so that of two with one name one sees
 * the other. Goes with the process, whatever ends it.
 */
export function lockFolder(path: string): Disposable {
  const file = Deno.openSync(path);
  try {
    file.lockSync(true);
  } catch (error) {
    file.close();
    throw error;
  }
  return file;
}

/** Throws `SourceError` (stage `parse`) for what can not be a session's name. */
export function checkName(name: string): void {
  const wanted = `letters, digits, ".", "_" and "-", at most ${NAME_LENGTH}`;
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name) || name.length > NAME_LENGTH) {
    throw new SourceError("session", "parse", "failed", `"${name}" is no name: want ${wanted}`);
  }
  if (name !== OWN_SESSION) return;
  const text = `"${name}" is what a script calls its own session`;
  throw new SourceError("session", "parse", "failed", text, "take another name");
}

/** The socket of a session. */
export function socketPath(folder: string, name: string): string {
  return `${folder}/${name}${SUFFIX}`;
}

/** Names of all sessions that have a socket, sorted; also of those that ended without removing it. */
export function sessionNames(sys: Pick<Sys, "uid" | "readdir">, folder: string): string[] {
  if (!checkFolder(sys, folder)) return [];
  return sys.readdir(folder).filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length)).sort();
}

function refusal(kind: "permission" | "failed", text: string, remedy: string): SourceError {
  return new SourceError("session", "open folder", kind, text, remedy);
}

function told(action: string, path: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const refused = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
  const kind = refused ? "permission" : "failed";
  const text = `can not ${action} ${path}: ${error.message}`;
  const remedy = "set XDG_RUNTIME_DIR to a folder of your own";
  return new SourceError("session", "open folder", kind, text, remedy, { cause: error });
}
