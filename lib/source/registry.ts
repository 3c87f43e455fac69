/**
 * Every source, one line each.
 *
 * @module
 */
import { qemuSource } from "./qemu.ts";
import type { Source } from "./source.ts";

/** In the order of the manual. */
export const SOURCES: readonly Source[] = [
  qemuSource,
];

/** The source of a scheme, or null where there is none. */
export function sourceFor(scheme: string): Source | null {
  return SOURCES.find((source) => source.scheme === scheme) ?? null;
}
