/**
 * One reading of one queue, with its requests decoded: what `dump ring` shows.
 *
 * @module
 */
import { decodeChain } from "../device/decode_chain.ts";
import type { DecodedRequest, DeviceType } from "../device/decoder.ts";
import { loadDeviceType } from "../device/load.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "../ring/config.ts";
import { reusedChain, reusedChains } from "../ring/reused.ts";
import { openRing } from "../ring/ring.ts";
import { settledSnapshot } from "../ring/settled.ts";
import type { DescriptorChain, RingSnapshot, SnapshotOptions } from "../ring/snapshot.ts";
import type { Device, Queue } from "./guest.ts";
import type { SelectedQueue } from "./select.ts";

const NONE: ReadonlySet<number> = new Set();

/** A queue that has a ring. */
export type ReadableQueue = SelectedQueue & { readonly queue: { readonly ring: RingConfig } };

/** A reading of a queue. */
export interface RingReport {
  /** `qemu:4242/blk0:0`. */
  readonly target: string;
  readonly device: Device;
  readonly queue: Queue;
  readonly snapshot: RingSnapshot;
  /** Chain `n` of the snapshot; where a newer one has its descriptors it is `reused`, and has none. */
  chain(n: number): DescriptorChain;
  /** Decodes one of the chains, from memory as it is at the call; null where nobody can. */
  request(chain: DescriptorChain): DecodedRequest | null;
}

/** Whether a queue has a ring to read. */
export function isReadable(selected: SelectedQueue): selected is ReadableQueue {
  return selected.queue.ring !== null;
}

/** The type of a device with its decoder, or null for 0 (unknown). */
export async function typeOf({ type }: Device): Promise<DeviceType | null> {
  return type === 0 ? null : await loadDeviceType(type);
}

/** Reads a queue's ring, again where it moved and looked broken. Never throws on guest data. */
export function reportRing(
  memory: GuestMemory,
  { device, queue, target }: ReadableQueue,
  type: DeviceType | null,
  options: SnapshotOptions,
): RingReport {
  const snapshot = settledSnapshot(openRing(memory, queue.ring), options);
  const context = {
    features: device.features,
    queue: queue.index,
    queueCount: device.queues.length,
    bigEndian: false,
  };
  const reused = options.chains === "recent" ? reusedChains(snapshot) : NONE;
  const chain = (n: number) => reused.has(n) ? reusedChain(snapshot.chain(n)) : snapshot.chain(n);
  const request = (chain: DescriptorChain) =>
    chain.state === "reused"
      ? null
      : decodeChain(chain, memory, type, { ...context, state: chain.state });
  return { target, device, queue, snapshot, chain, request };
}
