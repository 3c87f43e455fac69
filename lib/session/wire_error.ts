/**
 * Errors that cross the socket and stay what they are: exit code and remedy depend on it.
 *
 * @module
 */
import { SyscallError } from "../../ffi/errno.ts";
import { ProtocolError, SourceError, type SourceFailure } from "../errors.ts";

/** An error in an answer. */
export type WireError =
  | {
    readonly type: "source";
    readonly scheme: string;
    readonly stage: string;
    readonly kind: SourceFailure;
    readonly text: string;
    readonly remedy: string;
  }
  | {
    readonly type: "syscall";
    readonly call: string;
    readonly errno: string;
    readonly subject: string;
    readonly remedy: string;
  }
  | {
    readonly type: "protocol";
    readonly protocol: string;
    readonly item: string;
    readonly wanted: string;
    readonly got: string;
    readonly offset: number | null;
  }
  | { readonly type: "other"; readonly text: string };

/** Whatever was thrown, for an answer. */
export function toWire(error: unknown): WireError {
  if (error instanceof SourceError) {
    const { scheme, stage, kind, remedy, message } = error;
    const text = message.slice(`${scheme}: ${stage}: `.length);
    return { type: "source", scheme, stage, kind, text, remedy };
  }
  if (error instanceof SyscallError) {
    const { call, errno, subject, remedy } = error;
    return { type: "syscall", call, errno, subject, remedy };
  }
  if (error instanceof ProtocolError) {
    const { protocol, item, wanted, got, offset } = error;
    return { type: "protocol", protocol, item, wanted, got, offset };
  }
  return { type: "other", text: error instanceof Error ? error.message : String(error) };
}

/** The error of an answer, to be thrown. */
export function fromWire(error: WireError): Error {
  switch (error.type) {
    case "source":
      return new SourceError(error.scheme, error.stage, error.kind, error.text, error.remedy);
    case "syscall":
      return new SyscallError(error.call, error.errno, error.subject, error.remedy);
    case "protocol":
      return new ProtocolError(
        error.protocol,
        error.item,
        error.wanted,
        error.got,
        error.offset,
      );
    case "other":
      return new SourceError("session", "ask", "failed", error.text);
  }
}
