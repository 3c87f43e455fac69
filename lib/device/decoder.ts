/**
 * What a device decoder gets and gives. One file per device type decodes what travels in its
 * chains; `registry.ts` lists them.
 *
 * @module
 */

import type { ChainState } from "../ring/snapshot.ts";
import type { Layout } from "./kind.ts";

/** One buffer of a chain as the decoder sees it: a bounded copy is made only of what is asked for. */
export interface BufferPart {
  /** Guest physical address of the first byte. */
  readonly address: bigint;
  /** Bytes, as the descriptor says (not all need be readable). */
  readonly length: number;
  /** Device-writable; else device-readable. */
  readonly writable: boolean;
}

/**
 * The bytes of a chain: readable part and writable part, each as one stream whatever the framing
 * (virtio 1.4, 2.7.4.1: a device must not make assumptions about the arrangement of descriptors).
 */
export interface ChainBytes {
  /** Sum of the readable descriptors' lengths. */
  readonly readable: number;
  /** Sum of the writable descriptors' lengths. */
  readonly writable: number;
  /** Bytes the device says it wrote, where the chain is used; else null. */
  readonly written: number | null;
  /** A copy of at most `length` bytes of the readable part from `offset` on; short where memory ends. */
  readRequest(offset: number, length: number): Uint8Array;
  /** The same of the writable part: stale before the device has written it. */
  readReply(offset: number, length: number): Uint8Array;
}

/** What a decoder may want to know beside the bytes. */
export interface DecodeContext {
  /** Negotiated features. */
  readonly features: bigint;
  /** Queue index as the device numbers it. */
  readonly queue: number;
  /** Number of queues, where known: control queues stand last. */
  readonly queueCount: number | null;
  /** `available`, `inflight`: the reply is stale. `used`: it is what the device wrote. */
  readonly state: ChainState;
  /** Big-endian guest: matters for legacy devices and for fs. */
  readonly bigEndian: boolean;
  /** The device's configuration space where it is known: sizes that its formats depend on (scsi). */
  readonly config?: Uint8Array;
  /** This chain goes on with what an earlier one began and has no header (net, mergeable buffers). */
  readonly continuation?: boolean;
}

/** JSON-able value: addresses and 64-bit quantities as `0x` strings, counts as numbers. */
export type Field = string | number | boolean | null | readonly Field[] | {
  readonly [key: string]: Field;
};

/** A decoded request. `type` is the standard's name, or the number where it has none. */
export interface DecodedRequest {
  /** Short name of the device type, such as `blk`. */
  readonly device: string;
  /** The request's name in the standard, such as `IN`, or its number. */
  readonly type: string;
  /** One line for a person, not escaped: renderers escape whatever the guest wrote. */
  readonly summary: string;
  /** Everything decoded, by the standard's field names in camelCase. */
  readonly fields: { readonly [key: string]: Field };
  /** What is wrong with the request itself (too short, unknown status …); not ring findings. */
  readonly notes: readonly string[];
}

/** Knowledge of one device type. */
export interface DeviceType {
  /** virtio device id. */
  readonly id: number;
  /** Short name as used in targets and output: `blk`, `net`, `console`. */
  readonly name: string;
  /** Feature bits of this device type (not the common ones) by number. */
  readonly features: { readonly [bit: number]: string };
  /**
   * Configuration space, where the device has one; `config_space.ts` decodes it. A function where
   * its first bytes decide on what follows.
   *
   * @internal
   */
  readonly config?: Layout | ((bytes: Uint8Array) => Layout);
  /** Name of a queue: `rx0`, `ctrl`, `request0`. Never throws. */
  queueName(queue: number, context: { features: bigint; queueCount: number | null }): string;
  /** Decodes one chain; null where there is nothing to say. Never throws, whatever the bytes. */
  decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest | null;
}
