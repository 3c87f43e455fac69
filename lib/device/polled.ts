/**
 * Queues that a driver looks at by itself instead of being called. There a used_event that nobody
 * ever set says nothing.
 *
 * @module
 */

/**
 * Queues that Linux gives no callback, by device id and name: `virtio_net.c` (it waits for each
 * command), `virtio_console.c` (for each write), `virtio_balloon.c`, `virtio-iommu.c`.
 */
const POLLED: { readonly [type: number]: RegExp } = {
  1: /^ctrl$/,
  3: /^(tx\d+|ctrl-tx)$/,
  5: /^free-page$/,
  23: /^request$/,
};

/** Whether drivers are known to poll this queue. Names are those of `queueName`. */
export function isPolled(type: number, queueName: string): boolean {
  return POLLED[type]?.test(queueName) ?? false;
}
