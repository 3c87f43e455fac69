/**
 * Breaks a chain that the demo's driver has added and not yet published, as a buggy or hostile
 * driver would.
 *
 * @module
 */
import type { WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RingConfig } from "../ring/config.ts";
import { AVAIL, DESC_F, DESCRIPTOR_LENGTH } from "../ring/spec.ts";

/** An address that no region has. */
const NOWHERE = 0xdead_0000_0000n;

/**
 * Lets `add` add a direct chain and spoils it: a split one leads back to its head (2.7.5.2), a packed
 * one points outside memory. One good chain was added since the last publish. Gives what `add` gave.
 */
export function corruptNext(
  memory: WritableGuestMemory,
  config: RingConfig,
  add: () => boolean,
): boolean {
  const before = memory.bytes(config.descriptor, config.size * DESCRIPTOR_LENGTH);
  if (!add()) return false;
  const after = memory.bytes(config.descriptor, config.size * DESCRIPTOR_LENGTH);
  if (config.format === "split") loop(memory, config, after);
  else pointNowhere(memory, config, before, after);
  return true;
}

/** The chain's last descriptor gets its head as the next one. */
function loop(memory: WritableGuestMemory, config: RingConfig, table: Uint8Array): void {
  const view = new DataView(table.buffer, table.byteOffset);
  const head = secondUnpublished(memory, config);
  let last = head;
  for (let n = 0; n < config.size && (flagsAt(view, last) & DESC_F.NEXT) !== 0; n++) {
    last = view.getUint16(last * DESCRIPTOR_LENGTH + 14, true);
  }
  const words = new Uint16Array([flagsAt(view, last) | DESC_F.NEXT, head]);
  const at = config.descriptor + BigInt(last * DESCRIPTOR_LENGTH + 12);
  memory.write(at, new Uint8Array(words.buffer));
}

/** Head of the second chain that the next publish makes available. */
function secondUnpublished(memory: WritableGuestMemory, config: RingConfig): number {
  const half = (offset: number) => {
    const bytes = memory.bytes(config.driver + BigInt(offset), 2);
    return bytes[0] | bytes[1] << 8;
  };
  return half(AVAIL.RING + 2 * ((half(AVAIL.IDX) + 1) % config.size)) % config.size;
}

function flagsAt(table: DataView, index: number): number {
  return table.getUint16(index * DESCRIPTOR_LENGTH + 12, true);
}

/** Every descriptor that changed is the new chain's. */
function pointNowhere(
  memory: WritableGuestMemory,
  config: RingConfig,
  before: Uint8Array,
  after: Uint8Array,
): void {
  const changed = after.findIndex((byte, at) => byte !== before[at]);
  const slot = Math.floor(Math.max(0, changed) / DESCRIPTOR_LENGTH);
  const address = new BigUint64Array([NOWHERE]);
  memory.write(
    config.descriptor + BigInt(slot * DESCRIPTOR_LENGTH),
    new Uint8Array(address.buffer),
  );
}
