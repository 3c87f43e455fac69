/**
 * Bounds of a walk that the standard leaves open. What a guest writes can not make a walk longer.
 *
 * @module
 */
import { MAX_QUEUE_SIZE } from "./spec.ts";

/**
 * Entries of one indirect table that are walked: as many as the largest queue allows. A longer table
 * is a finding (`indirect-too-long`) and cut.
 */
export const MAX_TABLE_ENTRIES = MAX_QUEUE_SIZE;

/** Descriptors that one walk looks at, in all chains together. */
export function descriptorBudget(size: number): number {
  return Math.max(1 << 20, size * 64);
}

/** Findings that one snapshot lists. Chains keep their own. */
export const MAX_FINDINGS = 4096;

/** 2.7.5: no chain is longer than 2^32 bytes in total. */
export const MAX_CHAIN_BYTES = 2 ** 32;

/**
 * Descriptors that one walk looks at closely, the entries of tables that it copies for that among
 * them. Doubtful chains beyond it are named only, with `chain-too-long`.
 */
export const CLOSE_LOOK_BUDGET = 1 << 18;
