/**
 * The three areas of a ring: virtio 1.4, 2.7 and 2.8.
 *
 * @module
 */
import type { RingConfig } from "../../../lib/ring/config.ts";
import { canRead, firstMissing, numberAt, type OracleMemory } from "./memory.ts";
import { found } from "./report.ts";

/** Bytes and alignment of each area, as the table in 2.7 and the text of 2.8 give them. */
function shapes(format: "split" | "packed", size: number): [number, number][] {
  return format === "split"
    ? [[16 * size, 16], [6 + 2 * size, 2], [6 + 8 * size, 4]]
    : [[16 * size, 16], [4, 4], [4, 4]];
}

const NAMES = {
  split: ["descriptor table", "available ring", "used ring"],
  packed: ["descriptor ring", "driver event area", "device event area"],
};

/** What is wrong with a configuration, and whether the ring can be walked at all. */
export function checkAreas(
  memory: OracleMemory,
  config: RingConfig,
): { findings: string[]; walkable: boolean } {
  const { format, size, addressSpace } = config;
  const powers = Array.from({ length: 16 }, (_, n) => 2 ** n);
  const possible = format === "split"
    ? powers.includes(size)
    : Number.isInteger(size) && size >= 1 && size <= 32768;
  if (!possible) return { findings: [found("size-invalid", "queue size")], walkable: false };
  const findings: string[] = [];
  let walkable = true;
  shapes(format, size).forEach(([length, align], n) => {
    const address = [config.descriptor, config.driver, config.device][n];
    if (address % BigInt(align) !== 0n) {
      findings.push(found("ring-misaligned", NAMES[format][n]));
    }
    if (firstMissing(memory, address, BigInt(length), addressSpace) === null) return;
    findings.push(found("ring-outside-memory", NAMES[format][n]));
    walkable = false;
  });
  if (format === "packed" && config.start !== undefined && config.start.index >= size) {
    findings.push(found("head-out-of-range", "start position"));
  }
  return { findings, walkable };
}

/** The u16 at an offset of an area, or null where it can not be read. */
export function half(
  memory: OracleMemory,
  config: RingConfig,
  area: "descriptor" | "driver" | "device",
  offset: number,
): number | null {
  const value = numberAt(memory, config[area] + BigInt(offset), 2, config.addressSpace);
  return value === null ? null : Number(value);
}

/** Whether the first `length` bytes of an area can be read. */
export function areaReadable(
  memory: OracleMemory,
  config: RingConfig,
  area: "descriptor" | "driver" | "device",
  length: number,
): boolean {
  return canRead(memory, config[area], length, config.addressSpace);
}

/** The finding of a ring that stands in memory and can not be read: the first area that lacks a byte. */
export function unreadable(memory: OracleMemory, config: RingConfig): string {
  const { format, size, addressSpace } = config;
  const addresses = [config.descriptor, config.driver, config.device];
  const first = shapes(format, size).findIndex(([length], n) =>
    !canRead(memory, addresses[n], length, addressSpace)
  );
  return found("ring-unreadable", NAMES[format][first]);
}
