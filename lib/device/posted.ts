/**
 * Queues whose buffers the driver posts for the device to fill some day. There a full ring that
 * does not move is a queue at rest, not a stall.
 *
 * @module
 */

/** Names that `DeviceType.queueName` gives to such queues: receive, event and statistics queues. */
const POSTED = /^(rx\d*|ctrl-rx|event|stats|notification)$/;

/** Whether waiting is what buffers of this queue are for. Sections of virtio 1.4, chapter 5. */
export function isPosted(queueName: string): boolean {
  return POSTED.test(queueName);
}
