/**
 * Opens a ring for reading.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import type { GuestMemory } from "../memory/guest_memory.ts";
import { checkConfig, withSlotsOnly } from "./check_config.ts";
import type { RingConfig } from "./config.ts";
import { PackedRing } from "./packed_ring.ts";
import type { Ring, RingSnapshot, Suppression } from "./snapshot.ts";
import { SplitRing } from "./split_ring.ts";
import { NOTHING_WANTED } from "./suppression.ts";
import { unreadable } from "./unreadable.ts";

/**
 * A ring to read, whatever is wrong with it: never throws. One that can not be read at all has no
 * indices, and snapshots that say why.
 */
export function openRing(memory: GuestMemory, config: RingConfig): Ring {
  const { findings, areas } = checkConfig(memory.table, config);
  if (areas === null) return new UnreadableRing(config, findings);
  return config.format === "split"
    ? new SplitRing(memory, config, areas, findings)
    : new PackedRing(memory, withSlotsOnly(config), areas, findings);
}

class UnreadableRing implements Ring {
  constructor(readonly config: RingConfig, readonly findings: readonly Finding[]) {}

  indices(): null {
    return null;
  }

  positions(): boolean {
    return false;
  }

  suppression(): Suppression {
    return NOTHING_WANTED;
  }

  isArmedAtZero(): boolean {
    return false;
  }

  /** It is where no memory is, or of no possible size: nothing was read that could fail. */
  fault(): null {
    return null;
  }

  snapshot(): RingSnapshot {
    return unreadable(this.config, null, this.findings, Date.now());
  }
}
