/**
 * Turns what passes network queues into a pcapng stream.
 *
 * @module
 */
import { net, netHeaderSize } from "../device/net.ts";
import { netQueueRole } from "../device/queue_roles.ts";
import type { SelectedQueue } from "../guest/select.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { enhancedPacket, interfaceDescription, sectionHeader } from "../wire/pcapng.ts";
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
  dropped: number;
}

/** One queue that packets pass. */
interface Tapped {
  readonly tap: PacketTap;
  readonly role: "rx" | "tx";
  readonly interface: number;
}

/** Follows the network queues among those selected. */
export class Capture {
  readonly counts: CaptureCounts = { packets: 0, bytes: 0, dropped: 0 };
  readonly #tapped: Tapped[] = [];
  readonly #preamble: Uint8Array[] = [sectionHeader("guestmem")];

  /** Each device is one interface of the capture. Queues that carry no packets are left out. */
  constructor(memory: GuestMemory, queues: readonly SelectedQueue[]) {
    const devices: string[] = [];
    for (const selected of queues) {
      const tapped = tapOf(memory, selected, devices);
      if (tapped !== null) this.#tapped.push(tapped);
    }
    for (const name of devices) this.#preamble.push(interfaceDescription(name, "virtio-net", SNAP));
  }

  /** Whether there is a queue that carries packets. */
  get empty(): boolean {
    return this.#tapped.length === 0;
  }

  /** The blocks that come before any packet. */
  get preamble(): readonly Uint8Array[] {
    return this.#preamble;
  }

  /** Blocks of the packets that have passed since the last call. `now` is ns since the epoch. */
  poll(now: bigint): Uint8Array[] {
    return this.#tapped.flatMap(({ tap, role, interface: number }) =>
      tap.poll().map((frame) => {
        this.counts.packets++;
        this.counts.bytes += frame.bytes.length;
        this.counts.dropped += frame.dropped;
        const direction = role === "rx" ? "in" as const : "out" as const;
        return enhancedPacket({ ...frame, interface: number, time: now, direction });
      })
    );
  }
}

function tapOf(
  memory: GuestMemory,
  { device, queue }: SelectedQueue,
  devices: string[],
): Tapped | null {
  if (device.type !== net.id || queue.ring === null) return null;
  const { features } = queue.ring;
  const role = netQueueRole(queue.index, { features, queueCount: device.queues.length });
  if (role === "ctrl") return null;
  if (!devices.includes(device.name)) devices.push(device.name);
  const options = {
    memory,
    config: queue.ring,
    role,
    header: netHeaderSize(features),
    merged: (features & MRG_RXBUF) !== 0n,
    snap: SNAP,
  };
  const tap = queue.ring.format === "split" ? new SplitTap(options) : new PackedTap(options);
  return { tap, role, interface: devices.indexOf(device.name) };
}
