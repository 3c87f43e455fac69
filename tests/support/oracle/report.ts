/**
 * What the oracle says of a ring: the walker's results as plain values that compare with `===`.
 *
 * @module
 */
import type { FindingCode } from "../../../lib/finding.ts";
import type { ChainState, RingSide, Suppression } from "../../../lib/ring/snapshot.ts";

/** Findings one chain lists at most, and one snapshot: documented bounds of the walker. */
export const CHAIN_FINDINGS = 64;
export const SNAPSHOT_FINDINGS = 4096;

/** Entries of one indirect table that are looked at: documented bound of the walker. */
export const TABLE_ENTRIES = 32768;

/** A descriptor as it was read. */
export interface OracleDescriptor {
  readonly index: number;
  readonly address: bigint;
  readonly length: number;
  readonly writable: boolean;
  readonly next: number | null;
  readonly status: "ok" | "hole" | "outside";
}

/** A chain. Findings are `code @ place`. */
export interface OracleChain {
  readonly head: number;
  readonly slot: number;
  readonly id: number;
  readonly readable: number;
  readonly writable: number;
  readonly indirect: boolean;
  readonly state: ChainState;
  readonly written: number | null;
  readonly descriptors: readonly OracleDescriptor[];
  readonly findings: readonly string[];
}

/** Both sides. */
export interface OracleIndices {
  readonly available: RingSide;
  readonly used: RingSide;
  readonly inFlight: number;
  readonly exact: boolean;
}

/** A snapshot. `indices` is null where the ring can not be read. */
export interface OracleReport {
  readonly indices: OracleIndices | null;
  /** What a look at the indices alone gives: it needs less of the ring to be readable. */
  readonly glance: OracleIndices | null;
  readonly suppression: Suppression;
  readonly chains: readonly OracleChain[];
  /** How many of them, at the front, were used already: they do not count in totals. */
  readonly recent: number;
  /** Of the ring itself first, then of its chains. */
  readonly findings: readonly string[];
}

/** A finding as the oracle writes it. */
export function found(code: FindingCode, place: string): string {
  return `${code} @ ${place}`;
}

/** The report of a ring that can not be read. */
export function nothing(
  findings: readonly string[],
  glance: OracleIndices | null = null,
): OracleReport {
  return {
    indices: null,
    glance,
    suppression: { kickWanted: false, callWanted: false, by: "flags" },
    chains: [],
    recent: 0,
    findings,
  };
}
