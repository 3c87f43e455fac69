/**
 * Rings that firmware drove before the operating system came: real rings, and mostly not in use any
 * more.
 *
 * @module
 */
import { areaShapes } from "../ring/spec.ts";
import type { Look } from "./look.ts";
import type { SplitShape } from "./split_shape.ts";

/**
 * Whether SeaBIOS' own record of a ring stands right behind it. SeaBIOS, src/hw/virtio-ring.h
 * (`struct vring_virtqueue`: the three areas, then `struct vring`): number of entries and flat 32-bit
 * pointers to descriptors, available ring and used ring.
 */
export function firmwareRecord(look: Look, shape: SplitShape): boolean {
  const { length } = areaShapes("split", shape.size).device;
  const end = shape.device + length;
  // The used ring's event index is not part of the struct in SeaBIOS; so the record may begin there.
  const bytes = look.bytes(end - 2, 24);
  if (bytes === null) return false;
  const view = new DataView(bytes.buffer);
  const { size, descriptor, driver, device } = shape;
  const wanted = [size, descriptor, driver, device];
  return [0, 2, 4, 6, 8].some((from) =>
    wanted.every((value, n) => view.getUint32(from + 4 * n, true) === value)
  );
}
