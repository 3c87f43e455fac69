/**
 * Turns what passes network queues into a pcapng stream.
 *
 * @module
 */
import { net, netHeaderSize } from "../device/net.ts";
import { netQueueRole } from "../device/queue_roles.ts";
import type { SelectedQueue } from "../guest/select.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { type CapturedPacket, interfaceDescription, sectionHeader } from "../wire/pcapng.ts";
import { PackedTap } from "./packed_tap.ts";
import { type PacketTap, SplitTap } from "./split_tap.ts";

/** VIRTIO_NET_F_MRG_RXBUF, 5.1.3. */
const MRG_RXBUF = 1n << 15n;

/** Most bytes kept of a packet: a GSO packet is up to 64 KiB. */
export const SNAP = 65536 + 64;

/** What was captured so far. */
export interface CaptureCounts {
  packets: number;
  bytes: number;
  /** Frames that passed unseen; at least, where `uncounted`. */
  dropped: number;
  /** Rings may have come round between two looks, with nothing to count it by. */
  uncounted: boolean;
}

/** One queue that packets pass. */
interface Tapped {
  readonly tap: PacketTap;
  /** What it was set up with. */
  readonly memory: GuestMemory;
  readonly queue: SelectedQueue;
  readonly role: "rx" | "tx";
  readonly interface: number;
}

/** Follows the network queues among those selected. */
export class Capture {
  readonly counts: CaptureCounts = { packets: 0, bytes: 0, dropped: 0, uncounted: false };
  #tapped: readonly Tapped[] = [];
  /** Names by interface number: a device that comes again has its number again. */
  readonly #devices: string[] = [];
  /** Not handed out yet. */
  readonly #blocks: Uint8Array[] = [sectionHeader("guestmem")];

  /** Each device is one interface of the capture. Queues that carry no packets are left out. */
  constructor(memory: GuestMemory, queues: readonly SelectedQueue[]) {
    this.follow(memory, queues);
  }

  /** Goes on with these queues: what is set up as before is followed on, all else begins anew. */
  follow(memory: GuestMemory, queues: readonly SelectedQueue[]): void {
    const before = this.#tapped;
    this.#tapped = queues.flatMap((queue) => {
      const same = before.find((one) => one.memory === memory && isSame(one.queue, queue));
      const tapped = same ?? tapOf(memory, queue, this.#number(queue.device.name));
      return tapped === null ? [] : [tapped];
    });
  }

  #number(device: string): () => number {
    return () => {
      const known = this.#devices.indexOf(device);
      if (known >= 0) return known;
      this.#blocks.push(interfaceDescription(device, "virtio-net", SNAP));
      return this.#devices.push(device) - 1;
    };
  }

  /** Whether there is a queue that carries packets. */
  get empty(): boolean {
    return this.#tapped.length === 0;
  }

  /** Blocks that must come before the next packet: the header, and each interface once. */
  preamble(): readonly Uint8Array[] {
    return this.#blocks.splice(0);
  }

  /**
   * The packets that have passed since the last call, each read from memory when it is asked for.
   * `now` is ns since the epoch.
   */
  *poll(now: bigint): Generator<CapturedPacket> {
    for (const { tap, role, interface: number } of this.#tapped) {
      const direction = role === "rx" ? "in" as const : "out" as const;
      for (const frame of tap.poll()) {
        const bytes = frame.bytes.subarray(0, SNAP);
        this.counts.packets++;
        this.counts.bytes += bytes.length;
        this.counts.dropped += frame.dropped;
        yield { ...frame, bytes, interface: number, time: now, direction };
      }
      this.counts.uncounted ||= tap.uncounted;
    }
  }
}

function isSame(a: SelectedQueue, b: SelectedQueue): boolean {
  const [was, is] = [a.queue.ring, b.queue.ring];
  return a.target === b.target && was !== null && is !== null && was.format === is.format &&
    was.size === is.size && was.descriptor === is.descriptor && was.features === is.features;
}

/** null where no packets pass the queue; only else a number is asked for. */
function tapOf(
  memory: GuestMemory,
  selected: SelectedQueue,
  number: () => number,
): Tapped | null {
  const { device, queue } = selected;
  if (device.type !== net.id || queue.ring === null) return null;
  const { features } = queue.ring;
  const role = netQueueRole(queue.index, { features, queueCount: device.queues.length });
  if (role === "ctrl") return null;
  const options = {
    memory,
    config: queue.ring,
    role,
    header: netHeaderSize(features),
    merged: (features & MRG_RXBUF) !== 0n,
    snap: SNAP,
  };
  const tap = queue.ring.format === "split" ? new SplitTap(options) : new PackedTap(options);
  return { tap, memory, queue: selected, role, interface: number() };
}
