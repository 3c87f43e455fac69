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
  /** Always `GuestMemoryError`. */
  override readonly name = "GuestMemoryError";
  /** Its message names the operation, the range, the memory and the fault. */
  constructor(
    /** What was wanted. */
    readonly operation: "read" | "write" | "map",
    /** Name of the memory, such as its target. */
    readonly memory: string,
    /** First guest address of the access. */
    readonly address: bigint,
    /** Bytes of the access. */
    readonly length: bigint,
    /** What stood in the way. */
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
  /** Always `ProtocolError`. */
  override readonly name = "ProtocolError";
  /** Its message names the protocol, the item, and both values. */
  constructor(
    /** `qmp`, `vhost-user`, `ivshmem`, `xenstore`, `layout` … */
    readonly protocol: string,
    /** The message or field at fault. */
    readonly item: string,
    /** What the protocol asks for. */
    readonly wanted: string,
    /** What came. */
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
  /** Always `SourceError`. */
  override readonly name = "SourceError";
  /** Its message is `SCHEME: STAGE: TEXT`. */
  constructor(
    /** Scheme of the target, or the verb's name. */
    readonly scheme: string,
    /** What was being done: `parse`, `open`, `connect`, `read memory layout` … */
    readonly stage: string,
    /** Why, for a program. */
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
  /** Always `SyscallError`. */
  readonly name: "SyscallError";
  /** The call: `open`, `ioctl`. */
  readonly call: string;
  /** errno by name, such as `EACCES`. */
  readonly errno: string;
  /** The object: a path, an fd, an ioctl's name. */
  readonly subject: string;
  /** All of it in one line. */
  readonly message: string;
}

/** Tells whether an error is a failed system call. */
export function isSyscallFailure(error: unknown): error is SyscallFailure {
  return error instanceof Error && error.name === "SyscallError" && "errno" in error;
}
