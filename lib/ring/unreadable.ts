/**
 * The snapshot of a ring that can not be read.
 *
 * @module
 */
import type { Finding } from "../finding.ts";
import { AREA_NAMES, type Areas } from "./check_config.ts";
import type { RingConfig } from "./config.ts";
import { finding } from "./sections.ts";
import type { RingSide, RingSnapshot } from "./snapshot.ts";
import { areaShapes } from "./spec.ts";

const NOTHING: RingSide = { index: 0, flags: 0, event: null, wrap: null, eventWrap: null };

/** Whether a snapshot is of a ring that could not be read: its positions say nothing. */
export function isUnreadable({ available }: RingSnapshot): boolean {
  return available === NOTHING;
}

/** What of a ring's memory can not be read. */
export interface AreaFault {
  /** `used ring`. */
  readonly place: string;
  /** By name. */
  readonly errno: string;
}

/** The first area of which the host refuses to read a part; null where it reads all of them. */
export function areaFault(
  { format, size }: Pick<RingConfig, "format" | "size">,
  areas: Areas,
): AreaFault | null {
  const shapes = areaShapes(format, size);
  for (const which of ["descriptor", "driver", "device"] as const) {
    const errno = areas[which].copy(new Uint8Array(shapes[which].length));
    if (errno !== null) return { place: AREA_NAMES[format][which], errno };
  }
  return null;
}

/**
 * No chains, and findings that say why. With `areas` the ring stands in memory, and the host refused
 * to read it: that is not the driver's fault, and has a finding of its own.
 */
export function unreadable(
  config: RingConfig,
  areas: Areas | null,
  findings: readonly Finding[],
  time: number,
): RingSnapshot {
  return {
    config,
    time,
    available: NOTHING,
    used: NOTHING,
    inFlight: 0,
    exact: false,
    raced: false,
    suppression: { kickWanted: false, callWanted: false, by: "flags" },
    chainCount: 0,
    totals: { descriptors: 0, readable: 0, writable: 0 },
    findings: areas === null ? findings : [...findings, refused(config, areas)],
    chain(n: number): never {
      throw new RangeError(`chain ${n} of 0`);
    },
  };
}

/** Looked for only after a read has failed: what failed then may be there again by now. */
function refused(config: RingConfig, areas: Areas): Finding {
  const fault = areaFault(config, areas);
  const text = fault === null ? "it could not be read" : `it can not be read: ${fault.errno}`;
  return finding(config.format, "ring-unreadable", fault?.place ?? "ring", text);
}
