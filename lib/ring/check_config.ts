/**
 * What a ring's configuration must fulfil before a byte of it is read: virtio 1.4, 2.7 and 2.8.
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../address.ts";
import type { Finding } from "../finding.ts";
import type { RegionTable } from "../memory/region_table.ts";
import { Area } from "./area.ts";
import type { RingConfig, RingPosition } from "./config.ts";
import { finding } from "./sections.ts";
import { areaShapes, MAX_QUEUE_SIZE } from "./spec.ts";

/** The three areas of a ring that can be read. */
export interface Areas {
  readonly descriptor: Area;
  readonly driver: Area;
  readonly device: Area;
}

/** A configuration looked at: findings, and the areas where the ring can be read at all. */
export interface CheckedConfig {
  readonly findings: readonly Finding[];
  /** null where the size is impossible or an area is not all in memory. */
  readonly areas: Areas | null;
}

/** What the standard calls the areas. */
export const AREA_NAMES = {
  split: { descriptor: "descriptor table", driver: "available ring", device: "used ring" },
  packed: {
    descriptor: "descriptor ring",
    driver: "driver event area",
    device: "device event area",
  },
} as const;

/** Checks size, alignment and place of a ring and locates its areas. Never throws. */
export function checkConfig(table: RegionTable, config: RingConfig): CheckedConfig {
  const findings: Finding[] = [];
  if (!checkSize(config, findings)) return { findings, areas: null };
  const shapes = areaShapes(config.format, config.size);
  const locate = (which: keyof Areas): Area | null => {
    const { length, align } = shapes[which];
    const name = AREA_NAMES[config.format][which];
    checkAlignment(config, name, config[which], align, findings);
    const area = place(table, config, config[which], length);
    if (area === null) {
      const text = `[${hex(config[which])}, +${
        hex(length)
      }) is not all ${config.addressSpace} memory`;
      findings.push(finding(config.format, "ring-outside-memory", name, text));
    }
    return area;
  };
  const [descriptor, driver, device] = [locate("descriptor"), locate("driver"), locate("device")];
  checkStart(config, findings);
  const whole = descriptor !== null && driver !== null && device !== null;
  return { findings, areas: whole ? { descriptor, driver, device } : null };
}

/** False where the ring can not be walked: slots of a split ring are defined for powers of two only. */
function checkSize(config: RingConfig, findings: Finding[]): boolean {
  const { format, size } = config;
  const possible = Number.isInteger(size) && size >= 1 && size <= MAX_QUEUE_SIZE;
  const power = possible && (size & (size - 1)) === 0;
  if (!possible || (format === "split" && !power)) {
    const want = format === "split" ? "a power of two up to 32768" : "1 to 32768";
    findings.push(finding(format, "size-invalid", "queue size", `${size} is not ${want}`));
    return false;
  }
  return true;
}

/** 2.8.1: a packed ring's positions are slots. Where a walk starts a peer or a file may have said. */
function checkStart(config: RingConfig, findings: Finding[]): void {
  const { format, size, start } = config;
  if (format === "split" || start === undefined || isSlot(start, size)) return;
  const text = `slot ${start.index} in a ring of ${size}`;
  findings.push(finding(format, "head-out-of-range", "start position", text));
}

/** A packed ring's configuration without the positions that are no slots of it. */
export function withSlotsOnly(config: RingConfig): RingConfig {
  const { size, start, fetched, used, ...rest } = config;
  const kept = (name: string, position?: RingPosition) =>
    position !== undefined && isSlot(position, size) ? { [name]: position } : {};
  return {
    ...rest,
    size,
    ...kept("start", start),
    ...kept("fetched", fetched),
    ...kept("used", used),
  };
}

function isSlot({ index }: RingPosition, size: number): boolean {
  return Number.isInteger(index) && index >= 0 && index < size;
}

function checkAlignment(
  config: RingConfig,
  name: string,
  address: bigint,
  align: number,
  findings: Finding[],
): void {
  if (address % BigInt(align) === 0n) return;
  const text = `${hex(address)} is not aligned to ${align}`;
  findings.push(finding(config.format, "ring-misaligned", name, text));
}

function place(
  table: RegionTable,
  config: RingConfig,
  address: bigint,
  length: number,
): Area | null {
  if (address + BigInt(length) > ADDRESS_LIMIT) return null;
  return Area.locate(table, config.addressSpace, address, length);
}
