/**
 * What each queue of a device is for, and its name: virtio 1.4, the sections "Virtqueues" of
 * chapter 5. Apart from the decoders, since most of what the tool does names queues and decodes
 * nothing.
 *
 * @module
 */
import { has } from "./features.ts";

/** What decides on the roles of a device's queues. */
export interface QueueContext {
  /** Negotiated features; 0 where they are not known. */
  readonly features: bigint;
  /** Number of queues; null where it is not known. */
  readonly queueCount: number | null;
}

/** Names a queue: `rx0`, `ctrl`, `request0`. Never throws. */
export type QueueNamer = (queue: number, context: QueueContext) => string;

const NET = { CTRL_VQ: 17, MQ: 22, RSS: 60 } as const;

/** What a queue of a network device is for: 5.1.2. */
export function netQueueRole(queue: number, context: QueueContext): "rx" | "tx" | "ctrl" {
  if (queue === netControlQueue(context)) return "ctrl";
  return queue % 2 === 0 ? "rx" : "tx";
}

/** 5.1.2: the control queue follows all pairs; without MQ and RSS there is one pair in use. */
function netControlQueue({ features, queueCount }: QueueContext): number | null {
  const many = has(features, NET.MQ) || has(features, NET.RSS);
  if (has(features, NET.CTRL_VQ) && !many) return 2;
  return queueCount !== null && queueCount % 2 === 1 && queueCount > 1 ? queueCount - 1 : null;
}

/** A queue of a console device. */
export interface ConsoleQueueRole {
  readonly direction: "rx" | "tx";
  /** Port number; null for the control queues. */
  readonly port: number | null;
}

/** 5.3.2: port 0, then the control queues, then the other ports; port 0 alone without MULTIPORT. */
export function consoleQueueRole(queue: number): ConsoleQueueRole {
  const direction = queue % 2 === 0 ? "rx" : "tx";
  if (queue < 2) return { direction, port: 0 };
  return { direction, port: queue < 4 ? null : (queue - 2) >>> 1 };
}

const BALLOON = { STATS_VQ: 1, FREE_PAGE_HINT: 3, PAGE_REPORTING: 5 } as const;

/** A queue of a balloon device. */
export type BalloonQueueRole = "inflate" | "deflate" | "stats" | "free-page" | "reporting";

/**
 * The queues there are. 5.5.2 gives them fixed numbers, but Linux numbers those that were negotiated
 * without gaps. With no features known all are taken to be there.
 */
export function balloonQueueRoles(features: bigint): readonly BalloonQueueRole[] {
  const there = (bit: number) => features === 0n || has(features, bit);
  const roles: (BalloonQueueRole | false)[] = [
    "inflate",
    "deflate",
    there(BALLOON.STATS_VQ) && "stats",
    there(BALLOON.FREE_PAGE_HINT) && "free-page",
    there(BALLOON.PAGE_REPORTING) && "reporting",
  ];
  return roles.filter((role) => role !== false);
}

/** 5.11.2: the notification queue is there only with its feature; requests follow. */
export function fsQueueRole(queue: number, features: bigint): string {
  const fixed = has(features, 0) ? ["hiprio", "notification"] : ["hiprio"];
  return fixed[queue] ?? `request${queue - fixed.length}`;
}

/** Queue names of a device whose queues are all fixed; `queue7` beyond them. */
function fixed(...names: string[]): QueueNamer {
  return (queue) => names[queue] ?? `queue${queue}`;
}

/** Queue names that count up after some fixed ones: `request0`, `request1` … */
function counted(name: string, ...before: string[]): QueueNamer {
  return (queue) => before[queue] ?? `${name}${queue - before.length}`;
}

/** How each device type names its queues, by the type's short name. */
export const QUEUE_NAMERS = {
  net: (queue, context) => {
    const role = netQueueRole(queue, context);
    return role === "ctrl" ? role : `${role}${queue >>> 1}`;
  },
  blk: counted("request"),
  console: (queue) => {
    const { direction, port } = consoleQueueRole(queue);
    return port === null ? `ctrl-${direction}` : `${direction}${port}`;
  },
  rng: fixed("request"),
  balloon: (queue, { features }) => balloonQueueRoles(features)[queue] ?? `queue${queue}`,
  scsi: counted("request", "ctrl", "event"),
  "9p": fixed("request"),
  gpu: fixed("ctrl", "cursor"),
  input: fixed("event", "status"),
  vsock: fixed("rx", "tx", "event"),
  crypto: (queue, { queueCount }) =>
    queueCount !== null && queueCount > 1 && queue === queueCount - 1 ? "ctrl" : `data${queue}`,
  iommu: fixed("request", "event"),
  mem: fixed("request"),
  sound: fixed("ctrl", "event", "tx", "rx"),
  fs: (queue, { features }) => fsQueueRole(queue, features),
  pmem: fixed("request"),
  i2c: fixed("request"),
  gpio: fixed("request", "event"),
} as const satisfies { readonly [type: string]: QueueNamer };

/** The name of a queue of the device type with this short name; `queue7` where nobody names them. */
export function queueNameOf(type: string, queue: number, context: QueueContext): string {
  const namers: { readonly [type: string]: QueueNamer } = QUEUE_NAMERS;
  return Object.hasOwn(namers, type) ? namers[type](queue, context) : `queue${queue}`;
}
