/**
 * Device types in layout files: by virtio device id or by short name.
 *
 * @module
 */
import { type Node, pathOf, wrong } from "./layout_fields.ts";

/** Short names by virtio device id: virtio 1.4, chapter 5. */
const NAMES: readonly (readonly [number, string])[] = [
  [1, "net"],
  [2, "blk"],
  [3, "console"],
  [4, "rng"],
  [5, "balloon"],
  [8, "scsi"],
  [9, "9p"],
  [16, "gpu"],
  [18, "input"],
  [19, "vsock"],
  [20, "crypto"],
  [23, "iommu"],
  [24, "mem"],
  [25, "sound"],
  [26, "fs"],
  [27, "pmem"],
];

/** Short name of a device id; `device` where it has none. */
export function typeName(id: number): string {
  return NAMES.find(([number]) => number === id)?.[1] ?? "device";
}

/** A node's `type`: a device id, a short name, or absent (0). */
export function typeId(parent: Node): number {
  const value = parent.fields.type ?? 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff) {
    return value;
  }
  const found = NAMES.find(([, name]) => name === value);
  if (found !== undefined) return found[0];
  const names = NAMES.map(([, name]) => name).join(", ");
  throw wrong(pathOf(parent, "type"), `a virtio device id or one of ${names}`, value);
}
