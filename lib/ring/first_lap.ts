/**
 * Whether a split ring can still be the one that a driver set up and never took a buffer back from.
 *
 * ```text
 * available  0 3 6 . . . . .     three chains, each with a head of its own: none need be back
 * available  0 0 . . . . . .     head 0 twice: the driver took it back after the first time
 * ```
 *
 * @module
 */
import type { Areas } from "./check_config.ts";
import { AVAIL } from "./spec.ts";
import { UsedRing } from "./used_ring.ts";

/**
 * False where the ring shows that the driver took buffers back: it made more available than there are
 * descriptors, or one head twice; where a lap is complete; and where it can not be read. `used` is the
 * used index.
 */
export function isOnFirstLap({ driver, device }: Areas, size: number, used: number): boolean {
  const available = driver.load16(AVAIL.IDX);
  if (available === null || available > size) return false;
  if (!(UsedRing.read(device, size, used)?.isFirstLap() ?? false)) return false;
  const heads = new Set<number | null>();
  for (let slot = 0; slot < available; slot++) heads.add(driver.load16(AVAIL.RING + 2 * slot));
  return heads.size === available && !heads.has(null);
}
