/**
 * virtio over channel I/O (s390x): virtio 1.4, 4.3. Only its identity can be seen from user space;
 * kicks are a hypercall of the kernel's (DIAGNOSE 0x500), and no shared memory regions are defined.
 *
 * @module
 */

/** Control unit type of a virtio device (4.3.1). */
export const CCW_VIRTIO = 0x3832;

/** The virtio device id in a `cutype` of sysfs (`3832/02`); null where it is no virtio device. */
export function ccwType(cutype: string): number | null {
  const match = /^([0-9a-f]{4})\/([0-9a-f]{2})\s*$/i.exec(cutype);
  if (match === null || parseInt(match[1], 16) !== CCW_VIRTIO) return null;
  return parseInt(match[2], 16);
}

/** Whether a name is a device's bus id: `0.0.0001`. */
export function isCcwAddress(name: string): boolean {
  return /^[0-9a-f]{1,2}\.[0-3]\.[0-9a-f]{4}$/i.test(name);
}
