/**
 * Failures of the host, thrown. A guest's misbehaviour is a `Finding`, not an error.
 *
 * @module
 */
import { hex } from "./address.ts";

/** Why a range of guest memory could not be used. */
export type MemoryFault = "hole" | "outside" | "unreadable" | "read-only" | "overflow";

/** An access to guest memory that the caller required to succeed did not. */
export class GuestMemoryError extends Error {
  override readonly name = "GuestMemoryError";
  constructor(
    readonly operation: "read" | "write" | "map",
    readonly memory: string,
    readonly address: bigint,
    readonly length: bigint,
    readonly kind: MemoryFault,
    /** Name of the errno where `kind` is `unreadable`. */
    readonly errno: string | null = null,
  ) {
    const why = errno === null ? kind : `${kind} (${errno})`;
    super(`${operation} of ${length} bytes at ${hex(address)} in ${memory}: ${why}`);
  }
}

/** A peer spoke a protocol wrongly. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  constructor(
    /** `qmp`, `vhost-user`, `ivshmem`, `xenstore`, `layout` … */
    readonly protocol: string,
    /** The message or field at fault. */
    readonly item: string,
    readonly wanted: string,
    readonly got: string,
    /** Byte offset in the stream or file where that is known. */
    readonly offset: number | null = null,
  ) {
    const at = offset === null ? "" : ` at byte ${offset}`;
    super(`${protocol} ${item}${at}: wanted ${wanted}, got ${got}`);
  }
}

/** Why attaching failed: decides the exit code of the command line (4 not-found, 5 permission, 1 rest). */
export type SourceFailure = "not-found" | "permission" | "unsupported" | "busy" | "failed";

/** A target could not be located or attached. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  constructor(
    readonly scheme: string,
    /** What was being done: `parse`, `open`, `connect`, `read memory layout` … */
    readonly stage: string,
    readonly kind: SourceFailure,
    /** What is wrong, naming the object. */
    text: string,
    /** What the operator can do about it, one sentence; empty where nothing helps. */
    readonly remedy: string = "",
    options?: ErrorOptions,
  ) {
    super(`${scheme}: ${stage}: ${text}`, options);
  }
}

/**
 * The shape of an error that carries a failed system call. `ffi/errno.ts` throws it; code that may
 * not import ffi recognises it by this shape.
 */
export interface SyscallFailure {
  readonly name: "SyscallError";
  readonly call: string;
  /** errno by name, such as `EACCES`. */
  readonly errno: string;
  /** The object: a path, an fd, an ioctl's name. */
  readonly subject: string;
  readonly message: string;
}

/** Tells whether an error is a failed system call. */
export function isSyscallFailure(error: unknown): error is SyscallFailure {
  return error instanceof Error && error.name === "SyscallError" && "errno" in error;
}
