/**
 * A discovered virtual machine: one view of devices and queues over PCI, MMIO, CCW and Xen.
 *
 * @module
 */
import type { RingConfig } from "../ring/config.ts";
import type { XenQueue } from "./xen_queue.ts";

/** Where a device sits, in its bus's own words. */
export interface BusPlace {
  /** The bus; `none` where the source does not tell. */
  readonly kind: "pci" | "mmio" | "ccw" | "xen" | "vhost-user" | "none";
  /** `0000:00:03.0`, `fe003e00`, `0.0.0001`, `vbd-51712`; empty where unknown. */
  readonly id: string;
}

/** One queue of a device. `name@target` is what the other verbs take. */
export interface Queue {
  /** The queue's number, from 0, as the device counts. */
  readonly index: number;
  /** From the device type: `rx0`, `ctrl`, `request0`. */
  readonly name: string;
  /** null where the ring can not be read: `note` says why. */
  readonly ring: RingConfig | null;
  /** `not set up`, `vhost: asking would stop it` …; empty where all is well. */
  readonly note: string;
  /** Where the queue's two notifications can be observed or made: see `lib/kick`. */
  readonly notifier?: QueueNotifier;
  /**
   * A shared ring of Xen instead of a virtqueue; `ring` is null then.
   *
   * @internal
   */
  readonly xen?: XenQueue;
}

/** Host objects that carry a queue's notifications, where they are known. */
export interface QueueNotifier {
  /** fd numbers in process `pid`. */
  readonly pid: number;
  /** The eventfd that carries kicks, driver to device; null where it is not known. */
  readonly kickFd: number | null;
  /** The eventfd that carries calls, device to driver; null where it is not known. */
  readonly callFd: number | null;
}

/** One virtio (or Xen) device. */
export interface Device {
  /** Unique in its guest and usable in a target: `blk0`, `net0`. */
  readonly name: string;
  /** virtio device id; 0 where it is none. */
  readonly type: number;
  /** Where it sits. */
  readonly bus: BusPlace;
  /** virtio status byte, or null where unknown. */
  readonly status: number | null;
  /** Negotiated features. */
  readonly features: bigint;
  /** Data path outside the VMM: `vhost-user`, `vhost-kernel`; null for none. */
  readonly vhost: string | null;
  /** All queues that are known, by index, ascending. */
  readonly queues: readonly Queue[];
  /** Where its registers are, seen from inside the guest; undefined where that is not known. */
  readonly areas?: readonly DeviceArea[];
  /** On PCI, whether BAR 0 is ports, which only a modern device has not; undefined where not known. */
  readonly ports?: boolean;
  /** What went wrong in reading this device; empty where nothing did. */
  readonly note: string;
}

/** A part of a device's registers or memory, as its transport announces it. */
export interface DeviceArea {
  /** `common`, `notify`, `isr`, `device`, `shared-memory 1` … */
  readonly name: string;
  /** PCI base address register. */
  readonly bar: number;
  /** Bytes from the start of the BAR. */
  readonly offset: bigint;
  /** Bytes. */
  readonly length: bigint;
  /** notify_off_multiplier of a notify area (virtio 1.4, 4.1.4.4); null for other areas. */
  readonly multiplier: number | null;
  /** Why a driver must not use it; empty where it may. */
  readonly note: string;
}

/** What `find` lists. */
export interface Guest {
  /** Target without device: `qemu:4242`. */
  readonly target: string;
  /** What the hypervisor or its operator calls it; empty where it has no name. */
  readonly name: string;
  /** `qemu`, `demo`, `xen` … */
  readonly kind: string;
  /** The VMM's process on this host; null where there is none or it is not known. */
  readonly pid: number | null;
  /** `running`, `paused` …, or empty. */
  readonly state: string;
  /** Bytes of RAM; null where that is not known without attaching. */
  readonly memory: bigint | null;
  /** Its devices, those without readable rings included. */
  readonly devices: readonly Device[];
  /** Why devices could not be listed, and the remedy; empty where they could. */
  readonly note: string;
}
