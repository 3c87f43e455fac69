/**
 * Why something is taken for a ring, and how sure that makes us.
 *
 * Each piece of evidence weighs some bits: a coarse base-2 logarithm of how much likelier it is to
 * be seen in a ring than anywhere else in memory. Bits add up; the score saturates:
 *
 * ```text
 * bits    0     8    16    32    48    64    96
 * score   0   .29   .50   .75   .88   .94   .98
 *         possible        | likely    | certain
 * ```
 *
 * @module
 */

/** One reason. */
export interface Evidence {
  /** A few words with the values seen. */
  readonly text: string;
  /** Negative where it speaks against a ring. */
  readonly bits: number;
}

/**
 * `certain`: shape, indices and requests agree, nothing else in a guest's memory looks so. `likely`:
 * the shape is complete, but little has happened in the ring. `possible`: by few bytes only.
 */
export type Certainty = "certain" | "likely" | "possible";

/** Bits that halve the doubt. */
const HALVING = 16;

/** A score from 0 (not included: nothing speaks for it) to 1 (exclusive). */
export function scoreOf(evidence: readonly Evidence[]): number {
  const bits = bitsOf(evidence);
  return bits <= 0 ? 0 : 1 - 2 ** (-bits / HALVING);
}

/** Sum of the bits. */
export function bitsOf(evidence: readonly Evidence[]): number {
  return evidence.reduce((sum, { bits }) => sum + bits, 0);
}

/** A score in words: `certain` from 0.88, `likely` from 0.6 on. */
export function certaintyOf(score: number): Certainty {
  return score >= 0.88 ? "certain" : score >= 0.6 ? "likely" : "possible";
}

/** A reason for each of `count` things, each worth `each` bits, at most `limit` in all. */
export function counted(count: number, each: number, limit: number, text: string): Evidence[] {
  return count === 0 ? [] : [{ text: `${count} ${text}`, bits: Math.min(count * each, limit) }];
}
