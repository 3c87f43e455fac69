/**
 * What an error means for the operator: a message, a remedy, an exit code.
 *
 * @module
 */
import { GuestMemoryError, isSyscallFailure, ProtocolError, SourceError } from "../lib/errors.ts";
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
const NOT_FOUND = "`guestmem find` lists the targets of this host";

/** Describes whatever was thrown. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof UsageError) {
    return { code: EXIT.usage, message: error.message, remedy: error.remedy };
  }
  if (error instanceof SourceError) return sourceFailure(error);
  if (isSyscallFailure(error)) return syscallFailure(error.errno, error.message);
  if (error instanceof GuestMemoryError) {
    const remedy = "`guestmem dump table TARGET` shows where there is memory";
    return { code: EXIT.failed, message: error.message, remedy };
  }
  if (error instanceof ProtocolError) {
    return { code: EXIT.failed, message: error.message, remedy: "" };
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

function syscallFailure(errno: string, message: string): Failure {
  if (errno === "EACCES" || errno === "EPERM") {
    return { code: EXIT.permission, message, remedy: PERMISSION };
  }
  if (errno === "ENOENT" || errno === "ESRCH") {
    return { code: EXIT.notFound, message, remedy: NOT_FOUND };
  }
  return { code: EXIT.failed, message, remedy: "" };
}

function otherFailure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return { code: EXIT.permission, message, remedy: "" };
  }
  return { code: EXIT.failed, message, remedy: "" };
}
