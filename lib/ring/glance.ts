/**
 * Snapshots for whoever looks at many rings and keeps nothing: their columns are used again, since new
 * ones for each ring would be most of what such a look costs.
 *
 * @module
 */
import type { GuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "./config.ts";
import { PackedRing } from "./packed_ring.ts";
import { PackedWalk } from "./packed_walk.ts";
import type { Ring, RingSnapshot } from "./snapshot.ts";
import { SplitRing } from "./split_ring.ts";
import { SplitWalk } from "./split_walk.ts";

/** Columns for every kind of ring in the guest memory that was looked at last. */
export class Glance {
  #memory: GuestMemory | null = null;
  readonly #split = new Map<string, SplitWalk>();
  readonly #packed = new Map<string, PackedWalk>();

  /** A snapshot that is valid until the next one. */
  at(ring: Ring): RingSnapshot {
    if (ring instanceof SplitRing) return ring.snapshotInto(this.#splitWalk(ring));
    if (ring instanceof PackedRing) return ring.snapshotInto(this.#packedWalk(ring));
    return ring.snapshot();
  }

  #splitWalk({ memory, config }: SplitRing): SplitWalk {
    this.#enter(memory);
    const kind = kindOf(config);
    const walk = this.#split.get(kind) ?? new SplitWalk(memory, config);
    this.#split.set(kind, walk);
    return walk;
  }

  #packedWalk({ memory, config }: PackedRing): PackedWalk {
    this.#enter(memory);
    const kind = kindOf(config);
    const walk = this.#packed.get(kind) ?? new PackedWalk(memory, config);
    this.#packed.set(kind, walk);
    return walk;
  }

  /** Columns know their memory: with another one they are made anew. */
  #enter(memory: GuestMemory): void {
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#split.clear();
    this.#packed.clear();
  }
}

/** Rings of one kind share columns. */
function kindOf({ size, features, addressSpace }: RingConfig): string {
  return `${size} ${features} ${addressSpace}`;
}
