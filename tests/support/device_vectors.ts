/**
 * Chains as the standard writes them, byte by byte, and what must be said of each. Not made by any
 * encoder: the bytes were put down from the struct definitions of virtio 1.4 (or the source named).
 */
import type { ChainBytes, DecodeContext, DecodedRequest } from "../../lib/device/decoder.ts";
import { deviceTypeNamed } from "../../lib/device/registry.ts";

/** A chain and its meaning. */
export interface Vector {
  readonly device: string;
  readonly queue?: number;
  readonly queueCount?: number;
  /** Default: VERSION_1 alone. */
  readonly features?: bigint;
  readonly bigEndian?: boolean;
  readonly config?: string;
  readonly state?: DecodeContext["state"];
  /** Readable part, see {@linkcode hexBytes}. */
  readonly out?: string;
  /** Writable part. */
  readonly in?: string;
  /** Default: all of the writable part. */
  readonly written?: number | null;
  readonly type: string;
  readonly summary: string;
  /** Some of the fields, as they must be. */
  readonly fields?: { readonly [name: string]: unknown };
  /** Default: none. */
  readonly notes?: readonly string[];
  /** Readable bytes without which a note must say that something is missing. Default: all. */
  readonly needs?: number;
  /** The same of the writable part. */
  readonly replyNeeds?: number;
}

export const VERSION_1 = 1n << 32n;

/** `00 0a*3 ff` is 00 0a 0a 0a ff; whitespace is for the eye. */
export function hexBytes(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const [, digits, times] of text.matchAll(/([0-9a-f]+)(?:\*(\d+))?/gi)) {
    const group = (digits.match(/../g) ?? []).map((pair) => parseInt(pair, 16));
    for (let i = 0; i < Number(times ?? 1); i++) bytes.push(...group);
  }
  return Uint8Array.from(bytes);
}

/** A chain of two byte strings. `memory` cuts what can be read, not what the descriptors say. */
export function chainOf(
  out: Uint8Array,
  reply: Uint8Array,
  written: number | null = reply.length,
  memory = Infinity,
): ChainBytes {
  return {
    readable: out.length,
    writable: reply.length,
    written,
    readRequest: (offset, length) => out.slice(offset, Math.min(offset + length, memory)),
    readReply: (offset, length) => reply.slice(offset, Math.min(offset + length, memory)),
  };
}

export function contextOf(vector: Vector): DecodeContext {
  return {
    features: vector.features ?? VERSION_1,
    queue: vector.queue ?? 0,
    queueCount: vector.queueCount ?? null,
    state: vector.state ?? "used",
    bigEndian: vector.bigEndian ?? false,
    config: vector.config === undefined ? undefined : hexBytes(vector.config),
  };
}

/** Decodes a vector, whole or cut: `out` and `reply` replace its parts. */
export function decodeVector(
  vector: Vector,
  out: Uint8Array = hexBytes(vector.out ?? ""),
  reply: Uint8Array = hexBytes(vector.in ?? ""),
): DecodedRequest {
  const written = vector.written === undefined ? reply.length : vector.written;
  const type = deviceTypeNamed(vector.device);
  const decoded = type?.decode(chainOf(out, reply, written), contextOf(vector));
  if (!decoded) throw new Error(`${vector.device}: nothing decoded`);
  return decoded;
}
