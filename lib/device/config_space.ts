/**
 * Device configuration space (virtio 1.4, 2.5) as fields: each device type has its layout.
 *
 * @module
 */
import type { DeviceType, Field } from "./decoder.ts";
import { has } from "./features.ts";
import { fieldsOf } from "./fields.ts";
import { type Layout, means, show } from "./kind.ts";

/** A decoded configuration space. */
export interface DeviceConfig {
  /** By the standard's names in camelCase. Fields of features that were not negotiated are left out. */
  readonly fields: { readonly [name: string]: Field };
  /** What is wrong with it: too short for a field that should be there. */
  readonly notes: readonly string[];
}

const VERSION_1 = 32;

/**
 * Decodes what there is of a configuration space. With `features` null nothing is left out and
 * nothing is missed: which fields mean something is then not known. Never throws.
 */
export function decodeConfig(
  type: DeviceType,
  bytes: Uint8Array,
  { features = null, bigEndian = false }: { features?: bigint | null; bigEndian?: boolean } = {},
): DeviceConfig {
  const layout = layoutOf(type, bytes);
  const little = !bigEndian || features === null || has(features, VERSION_1);
  const name = `configuration of ${type.name}`;
  const fields = fieldsOf(bytes, { name, notes: [], little });
  const shown = show(layout, fields.struct(name, layout), features);
  const notes = features === null ? [] : missing(layout, bytes.length, features);
  return { fields: shown, notes };
}

function layoutOf({ config }: DeviceType, bytes: Uint8Array): Layout {
  return typeof config === "function" ? config(bytes) : config ?? {};
}

function missing(layout: Layout, length: number, features: bigint): string[] {
  let end = 0;
  const names: string[] = [];
  for (const [name, kind] of Object.entries(layout)) {
    end += kind.size;
    if (end > length && means(kind, features) && !/^(reserved|unused|padding)/.test(name)) {
      names.push(name);
    }
  }
  return names.length === 0 ? [] : [`${length} bytes: no ${names.join(", ")}`];
}
