/**
 * What an error means for the operator: a message, a remedy, an exit code.
 *
 * @module
 */
import {
  GuestMemoryError,
  isSyscallFailure,
  ProtocolError,
  SourceError,
  type SyscallFailure,
} from "../lib/errors.ts";
import { osError } from "../lib/os_error.ts";
import { UsageError } from "./context.ts";

/** Exit codes, as in the manual. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  findings: 3,
  notFound: 4,
  permission: 5,
  interrupted: 130,
} as const;

/** An error in the operator's words. `remedy` is empty where nothing helps. */
export interface Failure {
  readonly code: number;
  readonly message: string;
  readonly remedy: string;
}

const SOURCE_CODE = {
  "not-found": EXIT.notFound,
  "permission": EXIT.permission,
  "unsupported": EXIT.failed,
  "busy": EXIT.failed,
  "failed": EXIT.failed,
} as const;

const PERMISSION = "run as the guest's user or as root; `guestmem doctor` shows what is permitted";
const LAYOUT = "cli/docs/targets/file.md has the format; `guestmem find --carve -o` writes one";
const NOT_FOUND = "`guestmem find` lists the targets of this host";

/** Describes whatever was thrown. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof UsageError) {
    return { code: EXIT.usage, message: error.message, remedy: error.remedy };
  }
  if (error instanceof SourceError) return sourceFailure(error);
  if (isSyscallFailure(error)) return syscallFailure(error);
  if (error instanceof GuestMemoryError) {
    const remedy = "`guestmem dump table TARGET` shows where there is memory";
    return { code: EXIT.failed, message: error.message, remedy };
  }
  if (error instanceof ProtocolError) {
    const remedy = error.protocol === "layout" ? LAYOUT : "";
    return { code: EXIT.failed, message: error.message, remedy };
  }
  return otherFailure(error);
}

function sourceFailure(error: SourceError): Failure {
  const { stage, kind, message, remedy } = error;
  if (stage === "parse") {
    return { code: EXIT.usage, message, remedy: remedy || "`guestmem help` explains targets" };
  }
  const fallback = kind === "not-found" ? NOT_FOUND : kind === "permission" ? PERMISSION : "";
  return { code: SOURCE_CODE[kind], message, remedy: remedy || fallback };
}

function syscallFailure({ call, errno, message }: SyscallFailure): Failure {
  // A socket of our own that can not be made says nothing of any target.
  if (call === "bind") return placeFailure(errno, message);
  if (DENIED.includes(errno)) return { code: EXIT.permission, message, remedy: PERMISSION };
  if (errno === "ENOENT" || errno === "ESRCH") {
    return { code: EXIT.notFound, message, remedy: NOT_FOUND };
  }
  return { code: EXIT.failed, message, remedy: "" };
}

const DENIED: readonly string[] = ["EACCES", "EPERM"];

/** What helps where something of our own can not be read, written or made. */
const PLACE_REMEDY: Readonly<Record<string, string>> = {
  EACCES: "run as its owner or as root, or name another place",
  EADDRINUSE: "something is there already: end who listens on it, or name another",
  EISDIR: "name a file: this is a directory",
  ENOENT: "check the path: the file, or a folder on the way to it, is not there",
  ENOSPC: "make room on that device, or write elsewhere",
  ENOTDIR: "check the path: a part of it is no directory",
  EPERM: "run as its owner or as root, or name another place",
  EROFS: "the file system is read-only: name another place",
};

function placeFailure(errno: string, message: string): Failure {
  const code = DENIED.includes(errno) ? EXIT.permission : EXIT.failed;
  return { code, message, remedy: PLACE_REMEDY[errno] ?? "" };
}

/** Errors of the runtime's, and of ours that wrap one to say what was being done. */
function otherFailure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const own = osError(error);
  if (own !== null) return placeFailure(own.errno, phrase(own.call, own.reason));
  const cause = error instanceof Error ? error.cause : null;
  if (isSyscallFailure(cause)) return placeFailure(cause.errno, `${message}: ${cause.message}`);
  const within = osError(cause);
  if (within !== null) return placeFailure(within.errno, phrase(message, within.reason));
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return { code: EXIT.permission, message, remedy: "" };
  }
  return { code: EXIT.failed, message, remedy: "" };
}

function phrase(call: string, reason: string): string {
  return call === "" ? reason : `${call}: ${reason}`;
}
