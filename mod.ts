/**
 * guestmem as a library: map a guest's memory, walk its virtio rings, decode what is in them.
 *
 * ```ts
 * // rings.ts
 * import { openRing, openTarget } from "@guestmem/guestmem";
 *
 * await using guest = await openTarget("qemu:4242");
 * for (const device of guest.devices) {
 *   for (const queue of device.queues) {
 *     if (queue.ring === null) continue;
 *     const { inFlight, findings } = openRing(guest.memory, queue.ring).snapshot();
 *     console.log(device.name, queue.name, inFlight, findings);
 *   }
 * }
 * ```
 *
 * ```console qemu
 * $ deno run --allow-ffi --allow-read rings.ts
 * virtio-blk0 request0 1 []
 * ```
 *
 * Addresses are bigint, lengths and indices numbers. Host failures throw (`SyscallError`,
 * `SourceError`, `GuestMemoryError`, `ProtocolError`); what a guest does wrong is a `Finding`.
 * Everything that is opened is disposable. `openTarget` needs `--allow-ffi`, and `--allow-read`
 * for the code of its source; walking and decoding need no permission.
 *
 * @module
 */

// Addresses, errors, findings
export * from "./lib/address.ts";
export * from "./lib/errors.ts";
export * from "./lib/finding.ts";

// Memory
export * from "./lib/memory/backing.ts";
export * from "./lib/memory/guest_memory.ts";
export * from "./lib/memory/region.ts";
export * from "./lib/memory/region_table.ts";

// Rings: reading
export * from "./lib/ring/config.ts";
export { openRing } from "./lib/ring/ring.ts";
export type * from "./lib/ring/snapshot.ts";
export { diagnose, VERDICTS } from "./lib/ring/stall.ts";
export type * from "./lib/ring/stall.ts";

// Rings: the two sides, for drivers and back-ends
export { openDriverQueue } from "./lib/ring/driver_queue.ts";
export type * from "./lib/ring/driver_queue.ts";
export { openDeviceQueue, readFrom, writeTo } from "./lib/ring/device_queue.ts";
export type * from "./lib/ring/device_queue.ts";

// Devices and what travels in their chains
export type * from "./lib/device/decoder.ts";
export { decodeChain } from "./lib/device/decode_chain.ts";
export { DEVICE_TYPES, deviceType, deviceTypeNamed } from "./lib/device/registry.ts";
export { deviceName, queueName } from "./lib/device/names.ts";
export type { QueueContext } from "./lib/device/queue_roles.ts";

// Guests
export type * from "./lib/guest/guest.ts";
export { parseTarget, SCHEMES } from "./lib/guest/target.ts";
export type { Target } from "./lib/guest/target.ts";
export { findGuests, openTarget } from "./lib/source/attach.ts";
export type { FindOptions, Found, OpenOptions } from "./lib/source/attach.ts";
export type {
  Attachment,
  AttachOptions,
  DomainPart,
  FindGuestsOptions,
  Interrupts,
  Monitor,
  Source,
} from "./lib/source/source.ts";
export { chooseKick, kicksOf } from "./lib/kick/choose.ts";
export type { KickOptions, NotifiedQueue } from "./lib/kick/choose.ts";
export type { Kick, KickProof, KickSide } from "./lib/kick/kick.ts";
export { diagnoseGuest } from "./lib/diagnose/guest.ts";
export type { DiagnoseOptions, GuestReport } from "./lib/diagnose/guest.ts";
export type { QueueReport } from "./lib/diagnose/observe.ts";

// vhost-user: the protocol, a tap between two peers, and a back-end that consumes nothing
export type {
  Json,
  Side,
  WireRegion,
  XenMapping,
  XenRegionFields,
} from "./lib/wire/vhost_user/vhost_user.ts";
export * as vhostUser from "./lib/wire/vhost_user/vhost_user.ts";
export { startTap } from "./lib/tap/tap.ts";
export type { Tap, TapEvent, TapOptions } from "./lib/tap/tap.ts";
export type { ConnectionState, Inflight, KnownConfig, MemorySlot } from "./lib/tap/connection.ts";
export type { LayoutJson } from "./lib/tap/layout.ts";
export type { LinkSide } from "./lib/tap/link.ts";
export type { Relay, RelayEnd } from "./lib/tap/relay.ts";
export type { Vring, VringAreas } from "./lib/tap/vring.ts";
export { startSink } from "./lib/tap/sink.ts";
export type { Sink, SinkOptions } from "./lib/tap/sink.ts";

// A vhost-user back-end with a device of your own
export { serveVhostUser } from "./lib/vhost_user/backend.ts";
export type { ServedQueue, VhostUserBackEnd, VhostUserOptions } from "./lib/vhost_user/backend.ts";
