/**
 * A watched ring as a picture can show it.
 *
 * @module
 */
import type { RingConfig } from "../../lib/ring/config.ts";
import type { QueueRates } from "../../lib/watch/follow.ts";

/** Milliseconds after which what the device had fetched has been looked up again. */
const LOOKED_UP = 6000;

/**
 * The ring's configuration. How far the device fetched is looked up only now and then: of a ring that
 * moved since, it is left out.
 */
export function shownConfig({ config, waiting }: QueueRates): RingConfig {
  return waiting > LOOKED_UP ? config : { ...config, fetched: undefined };
}

/** How many buffers (packed: slots) were used since the report before. */
export function recentOf({ usedRate, elapsed }: QueueRates): number {
  return (usedRate ?? 0) * elapsed / 1000;
}
