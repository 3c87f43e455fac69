/**
 * The ways in which the demo can be made to hang: one for each stall that `diagnose` names.
 *
 * @module
 */

/** Each really stops one queue, by what the side that is to blame does or does not do. */
export const BREAKS = {
  "stop-device": "the device takes nothing more; kicks stay in the eventfd",
  "lose-kick": "the driver offers buffers and does not kick a device that waits",
  "suppress-kicks": "the device asks for no kicks and never comes back to look",
  "stop-reaping": "the driver takes no used buffer back; calls stay in the eventfd",
  "ring-full": "the device holds all it takes, until no descriptor is left",
  "corrupt-chain": "the driver publishes a chain that loops (packed: to nowhere)",
  "not-ready": "the device stops and asks for a reset (DEVICE_NEEDS_RESET)",
} as const;

/** Name of a break. */
export type BreakName = keyof typeof BREAKS;

/** All of them, in the order of the manual. */
export const BREAK_NAMES: readonly BreakName[] = Object.keys(BREAKS) as BreakName[];

/**
 * How far the two sides are with a break. `ring-full` takes both: the driver stops, and waits until
 * nothing is in flight (`drained`); the device takes without giving back (`holding`); the driver
 * fills the ring. So all that is in flight takes one descriptor each. Where only the device stops, it
 * says so (`stopped`).
 */
export const PHASE = { start: 0, drained: 1, holding: 2, stopped: 3 } as const;
