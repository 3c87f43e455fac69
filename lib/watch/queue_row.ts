/**
 * One queue in a report.
 *
 * @module
 */
import type { Device, Queue } from "../guest/guest.ts";
import type { SelectedQueue } from "../guest/select.ts";
import type { RingConfig } from "../ring/config.ts";
import { copyOfIndices } from "../ring/positions.ts";
import type { RingIndices, Suppression } from "../ring/snapshot.ts";
import type { Verdict } from "../ring/stall.ts";
import { NOTHING_WANTED } from "../ring/suppression.ts";
import type { Judgement } from "./judge.ts";
import { noRates, type RingRates } from "./ring_rates.ts";
import type { RingSampler } from "./sampler.ts";

/** One queue in a report. */
export interface QueueRates extends RingRates, Judgement {
  /** `qemu:4242/blk0:0`. */
  readonly target: string;
  readonly device: Device;
  readonly queue: Queue;
  /** The ring's; of a shared ring of Xen, what it is in a virtqueue's terms. */
  readonly config: RingConfig;
  readonly suppression: Suppression;
  /** Whole readings so far: what is the same has changed by time alone. */
  readonly readings: number;
}

const UNJUDGED: Judgement = { verdict: null, evidence: [] };

/**
 * A queue as the last report has it: one object for all reports. What time alone changes is worked out
 * when somebody asks, so that a queue whose ring rests costs a report nothing.
 */
export class QueueRow implements QueueRates {
  readonly target: string;
  readonly device: Device;
  readonly queue: Queue;
  /** What the last whole reading gave. */
  readonly rates = noRates();
  judgement: Judgement = UNJUDGED;
  suppression = NOTHING_WANTED;
  readings = 0;
  readonly #sampler: RingSampler;

  constructor(
    { target, device, queue }: SelectedQueue,
    readonly config: RingConfig,
    sampler: RingSampler,
  ) {
    this.target = target;
    this.device = device;
    this.queue = queue;
    this.#sampler = sampler;
  }

  get elapsed(): number {
    return this.#sampler.resting?.elapsed ?? this.rates.elapsed;
  }

  get samples(): number {
    return this.#sampler.resting?.samples ?? this.rates.samples;
  }

  get indices(): RingIndices | null {
    return this.rates.indices;
  }

  get availableRate(): number | null {
    return this.rates.availableRate;
  }

  get usedRate(): number | null {
    return this.rates.usedRate;
  }

  get usedAverage(): number | null {
    return this.#sampler.resting === null ? this.rates.usedAverage : this.#sampler.usedAverage;
  }

  get inFlightWorst(): number {
    return this.rates.inFlightWorst;
  }

  get gap(): boolean {
    return this.rates.gap;
  }

  get waiting(): number {
    const { resting } = this.#sampler;
    return resting === null ? this.rates.waiting : this.#sampler.waiting(resting.time);
  }

  get oldest(): number | null {
    const { resting } = this.#sampler;
    return resting === null ? this.rates.oldest : this.#sampler.oldest(resting.time);
  }

  get verdict(): Verdict | null {
    return this.judgement.verdict;
  }

  get evidence(): readonly string[] {
    return this.judgement.evidence;
  }
}

/** A queue as it is in this report, for whoever keeps it beyond. */
export function copyOfQueue(queue: QueueRates): QueueRates {
  return {
    target: queue.target,
    device: queue.device,
    queue: queue.queue,
    config: queue.config,
    suppression: queue.suppression,
    readings: queue.readings,
    elapsed: queue.elapsed,
    samples: queue.samples,
    indices: copyOfIndices(queue.indices),
    availableRate: queue.availableRate,
    usedRate: queue.usedRate,
    usedAverage: queue.usedAverage,
    inFlightWorst: queue.inFlightWorst,
    gap: queue.gap,
    waiting: queue.waiting,
    oldest: queue.oldest,
    verdict: queue.verdict,
    evidence: queue.evidence,
  };
}
