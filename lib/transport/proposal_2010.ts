/**
 * The register proposal of February 2010 (Cam Macdonell, qemu-devel: memory regions in virtio-pci),
 * which became ivshmem instead. Regions are selected like queues:
 *
 * ```
 *  16  18 19 20            24        28       32          34
 *  | notify| status, isr | MEM_SEL | MEM_SIZE | MEM_PFN | MSI config | MSI queue |
 * ```
 *
 * No device implements it: in any real legacy BAR, offset 20 is MSI-X or configuration. It is decoded
 * so that the idea has a place beside what came of it (`pci_capabilities.ts`, `mmio_registers.ts`).
 * The offsets are those of the proposal as reported; the patch itself could not be consulted.
 *
 * @module
 */
import { hasRegister, type WritableRegisterFile } from "./register_file.ts";
import { type SharedRegion, type SharedRegions, usableRegions } from "./shared_region.ts";

/** Byte offsets in the legacy I/O BAR. */
export const PROPOSAL_2010 = {
  memSelect: 20,
  memSize: 24,
  memPfn: 28,
  msiConfigVector: 32,
  msiQueueVector: 34,
} as const;

/** Regions that could be selected. */
const REGIONS = 16;

/** Unit of MEM_PFN, as of QUEUE_PFN. */
const PAGE = 4096n;

/** Selects each region in turn and reads it; leaves the selection as it was. */
export function readProposal2010(registers: WritableRegisterFile): SharedRegions {
  if (!hasRegister(registers, PROPOSAL_2010.memPfn, 32)) {
    return { regions: [], notes: ["the register file ends before MEM_PFN"] };
  }
  const before = registers.read(PROPOSAL_2010.memSelect, 32);
  const announced: SharedRegion[] = [];
  for (let id = 0; id < REGIONS; id++) {
    registers.write(PROPOSAL_2010.memSelect, 32, id);
    const length = BigInt(registers.read(PROPOSAL_2010.memSize, 32));
    const address = BigInt(registers.read(PROPOSAL_2010.memPfn, 32)) * PAGE;
    // Size 0: no such region. PFN 0: the guest has not mapped it, as an unset queue has none.
    if (length > 0n && address > 0n) {
      announced.push({ id, length, place: { kind: "guest", address } });
    }
  }
  registers.write(PROPOSAL_2010.memSelect, 32, before);
  return usableRegions(announced);
}
