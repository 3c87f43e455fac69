/**
 * The device type of a ring, from the requests in it.
 *
 * @module
 */
import type { DeviceType } from "../device/decoder.ts";
import { deviceTypeNamed } from "../device/registry.ts";
import type { Look } from "./look.ts";
import { MOST_BITS, type Rule } from "./rule.ts";
import { NET_RULES } from "./rules_net.ts";
import { OTHER_RULES } from "./rules_other.ts";
import { STORAGE_RULES } from "./rules_storage.ts";
import type { Sample } from "./sample.ts";
import type { Readings } from "./stale_packed.ts";

const RULES: readonly Rule[] = [...STORAGE_RULES, ...NET_RULES, ...OTHER_RULES];

/** Bits against a queue for a chain that can not be its: with the device now, and in the past. */
const MISFIT = { fresh: 12, past: 1 } as const;
/** Past chains speak against a queue by no more than this: memory finds other uses quickly. */
const MOST_PAST = 8;
/** What is left of the bits of a table that went back: by now it may be one of another ring. */
const OLD_TABLE = 0.6;
/** Fewer bits than this are no guess. */
const LEAST = 2;
/** By how much a guess must beat that of another device type. */
const MARGIN = 2;

/** What a ring's requests look like. */
export interface Guess {
  readonly type: DeviceType;
  /** Index of the queue in a device of that type. */
  readonly queue: number;
  /** Features of the device type that the queue needs. */
  readonly features: bigint;
  readonly bits: number;
  /** How many chains spoke for it. */
  readonly fits: number;
  /** The chain that spoke for it loudest, of several the newest. */
  readonly sample: Sample;
}

interface Weighed {
  readonly rule: Rule;
  readonly bits: number;
  readonly fits: number;
  readonly sample: Sample | null;
}

/**
 * The queue that the samples speak for most, or null. A buffer of which only one of several readings
 * can be right counts by the best of them.
 */
export function guess(buffers: readonly Readings[], look: Look): Guess | null {
  const weighed = RULES.map((rule) => weigh(rule, buffers, look))
    .sort((a, b) => b.bits - a.bits);
  const [first] = weighed;
  const { rule, bits, fits, sample } = first;
  if (bits < LEAST || sample === null) return null;
  const rival = weighed.find((other) => other.rule.device !== rule.device);
  if (rival !== undefined && bits - rival.bits < MARGIN) return null;
  const type = deviceTypeNamed(rule.device) as DeviceType;
  return { type, queue: rule.queue, features: rule.features ?? 0n, bits, fits, sample };
}

function weigh(rule: Rule, buffers: readonly Readings[], look: Look): Weighed {
  let [sum, fits, fresh, past] = [0, 0, 0, 0];
  let [loudest, most]: [Sample | null, number] = [null, 0];
  for (const readings of buffers) {
    const { bits, sample } = bestReading(rule, readings, look);
    if (sample === null) {
      if (readings[0].fresh) fresh += MISFIT.fresh;
      else past += MISFIT.past;
    } else {
      sum += bits;
      fits++;
      if (bits >= most) [loudest, most] = [sample, bits];
    }
  }
  const bits = Math.min(sum, rule.limit ?? MOST_BITS) - fresh - Math.min(past, MOST_PAST);
  return { rule, bits, fits, sample: loudest };
}

function bestReading(
  rule: Rule,
  readings: Readings,
  look: Look,
): { bits: number; sample: Sample | null } {
  let [bits, sample]: [number, Sample | null] = [0, null];
  for (const reading of readings) {
    const weight = rule.weigh(reading, look);
    const old = !reading.fresh && reading.chain.indirect;
    const value = weight === null ? null : weight * (old ? OLD_TABLE : 1);
    if (value !== null && (sample === null || value > bits)) [bits, sample] = [value, reading];
  }
  return { bits, sample };
}
