/**
 * Messages of the QEMU Machine Protocol: one JSON object per line (QEMU, docs/interop/qmp-spec).
 *
 * @module
 */
import { ProtocolError } from "../../errors.ts";

/** QEMU's version, from the greeting. */
export interface QemuVersion {
  readonly major: number;
  readonly minor: number;
  readonly micro: number;
  /** `Debian 1:7.2+dfsg-7`, or empty. */
  readonly package: string;
}

/** What a monitor sends. Unknown members are ignored, as the specification asks. */
export type Message =
  | { readonly kind: "greeting"; readonly version: QemuVersion }
  | { readonly kind: "return"; readonly id: number | null; readonly value: unknown }
  | {
    readonly kind: "error";
    readonly id: number | null;
    /** `GenericError`, `CommandNotFound` … */
    readonly class: string;
    /** For people; QEMU promises nothing about its wording. */
    readonly description: string;
  }
  | { readonly kind: "event"; readonly name: string; readonly data: unknown };

/** A command as the line to send, LF included. */
export function encodeCommand(
  name: string,
  args: Readonly<Record<string, unknown>> | undefined,
  id: number,
): Uint8Array {
  const command = args === undefined ? { execute: name, id } : {
    execute: name,
    arguments: args,
    id,
  };
  return new TextEncoder().encode(JSON.stringify(command) + "\n");
}

/** Decodes one line. Throws `ProtocolError` for what is not a QMP message. */
export function parseMessage(line: string): Message {
  const value = parseLine(line);
  if (!isRecord(value)) throw bad("message", "an object", line);
  if ("QMP" in value) return greeting(value.QMP, line);
  if ("return" in value) return { kind: "return", id: idOf(value), value: value.return };
  if (isRecord(value.error)) return failure(value, value.error);
  if (typeof value.event === "string") {
    return { kind: "event", name: value.event, data: value.data };
  }
  throw bad("message", "QMP, return, error or event", line);
}

/**
 * JSON.parse with integers that a double can not hold exactly as bigint: ring addresses and feature
 * masks use all 64 bits.
 */
export function parseJson(text: string): unknown {
  return /[0-9]{16}/.test(text) ? JSON.parse(text, exact) : JSON.parse(text);
}

function exact(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^-?[0-9]{1,20}$/.test(source) ? BigInt(source) : value;
}

function parseLine(line: string): unknown {
  try {
    return parseJson(line);
  } catch (cause) {
    // A reviver runs out of stack where values are nested a few thousand deep.
    if (!(cause instanceof SyntaxError || cause instanceof RangeError)) throw cause;
    throw bad("line", "JSON", line);
  }
}

function greeting(value: unknown, line: string): Message {
  const version = isRecord(value) && isRecord(value.version) ? value.version : {};
  const { qemu } = version;
  if (!isRecord(qemu)) throw bad("greeting", "a version", line);
  const [major, minor, micro] = [qemu.major, qemu.minor, qemu.micro];
  if (!isCount(major) || !isCount(minor) || !isCount(micro)) {
    throw bad("greeting", "a version of three numbers", line);
  }
  const text = typeof version.package === "string" ? version.package : "";
  return { kind: "greeting", version: { major, minor, micro, package: text } };
}

function failure(message: Record<string, unknown>, error: Record<string, unknown>): Message {
  return {
    kind: "error",
    id: idOf(message),
    class: typeof error.class === "string" ? error.class : "GenericError",
    description: typeof error.desc === "string" ? error.desc : "",
  };
}

function idOf(message: Record<string, unknown>): number | null {
  return isCount(message.id) ? message.id : null;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Whether a decoded JSON value is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The start of what came, so that one look tells what is at the other end. */
function bad(item: string, wanted: string, line: string): ProtocolError {
  const start = JSON.stringify(line.slice(0, 60));
  return new ProtocolError("qmp", item, wanted, line.length > 60 ? `${start}…` : start);
}
