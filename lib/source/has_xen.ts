/**
 * Whether this machine is a Xen domain with the device for domains' memory: dom0, or one like it.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "./attempt.ts";

/** privcmd's paths: today's and the old one. */
const PRIVCMD = ["/dev/xen/privcmd", "/proc/xen/privcmd"] as const;

/** Looks for privcmd; opens nothing. */
export function hasXen(sys: Pick<Sys, "stat">): boolean {
  return PRIVCMD.some((path) => attempt(() => sys.stat(path)) !== null);
}
