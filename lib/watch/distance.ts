/**
 * How far apart two readings of a ring are: short and long in turn, and no two short ones in a row
 * alike. A steady ring that laps between readings is then seen at places all over its range.
 *
 * @module
 */

/** Least time between two readings, in milliseconds. */
export const SHORTEST = 0.5;

/** A short time is this part of the long one. */
const PARTS = [0.31, 0.47, 0.23, 0.41, 0.53, 0.27, 0.37];

/** Milliseconds to the next reading, where `pace` is what the ring wants at most. */
export function distance(turn: number, pace: number): number {
  const part = PARTS[turn % PARTS.length];
  // A ring that wants more than can be had needs times that differ most of all.
  return turn % 2 === 0
    ? Math.max(pace * part, SHORTEST * (1 + part))
    : Math.max(pace, SHORTEST / part);
}
