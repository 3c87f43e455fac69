/**
 * Device types in layout files: by virtio device id or by name.
 *
 * @module
 */
import { deviceIdNamed, deviceName } from "../device/names.ts";
import { type Node, pathOf, wrong } from "./layout_fields.ts";

/** Short name of a device id, for names of devices; `device` for 0. */
export function typeName(id: number): string {
  return id === 0 ? "device" : deviceName(id).replace(/[^a-z0-9]/g, "");
}

/** A node's `type`: a device id, a name, or absent (0). */
export function typeId(parent: Node): number {
  const value = parent.fields.type ?? 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff) {
    return value;
  }
  const found = typeof value === "string" ? deviceIdNamed(value) : null;
  if (found !== null) return found;
  throw wrong(pathOf(parent, "type"), "a virtio device id or a name such as blk or net", value);
}
