/**
 * What `watch` sees, as OpenMetrics for Prometheus.
 *
 * @module
 */
import { Counter, Gauge, Registry } from "prom-client";
import { type Verdict, VERDICTS } from "../ring/stall.ts";
import type { QueueRates, WatchReport } from "../watch/follow.ts";
import type { GrantUse } from "../xen/grant_table.ts";

const GUEST = ["guest"] as const;
const QUEUE = ["guest", "device", "queue"] as const;
type QueueLabels = Record<(typeof QUEUE)[number], string>;

/** The metrics of one or more guests. Names and units are documented in their help texts. */
export class Exporter {
  readonly #registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
  readonly #available = this.#gauge(
    "available_index",
    "Driver's free-running index (packed: slot)",
  );
  readonly #used = this.#gauge("used_index", "Device's free-running index (packed: slot)");
  readonly #inFlight = this.#gauge("in_flight", "Buffers (packed: slots) with the device");
  readonly #worst = this.#gauge("in_flight_worst", "Most of them in the last interval");
  readonly #rate = this.#gauge(
    "used_per_second",
    "Buffers used per second; absent in a sampling gap",
  );
  readonly #waiting = this.#gauge(
    "stalled_seconds",
    "Time since the device last used a buffer while it holds one",
  );
  readonly #oldest = this.#gauge(
    "oldest_seconds",
    "Age of the oldest request that is with the device: a lower bound",
  );
  readonly #verdict = new Gauge({
    name: "guestmem_verdict",
    help: "1 for what a queue's state is called, 0 for what it is not",
    labelNames: [...QUEUE, "verdict"],
    registers: [this.#registry],
  });
  readonly #gaps = new Counter({
    name: "guestmem_sampling_gaps",
    help: "Intervals in which an index may have lapped unseen",
    labelNames: [...QUEUE],
    registers: [this.#registry],
  });
  readonly #up = new Gauge({
    name: "guestmem_guest_up",
    help: "1 while the guest can be read",
    labelNames: [...GUEST],
    registers: [this.#registry],
  });
  readonly #grants = {
    frames: this.#gauge("grant_frames", "Frames of a Xen domain's grant table", GUEST),
    maxFrames: this.#gauge("grant_frames_limit", "Frames that the table may have", GUEST),
    used: this.#gauge("grant_entries", "Entries in use: what the domain shares", GUEST),
    limit: this.#gauge("grant_entries_limit", "Entries of a table at its limit", GUEST),
  };
  /** Label sets that have values now, by guest. */
  readonly #shown = new Map<string, QueueLabels[]>();

  constructor() {
    this.#registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  }

  /**
   * Takes a report of one guest, and its grant table use where it has one that can be read. What is
   * gone from it keeps no stale values.
   */
  update(guest: string, report: WatchReport, grants: GrantUse | null = null): void {
    if (!report.guest.up) return this.down(guest);
    this.#clear(guest);
    this.#up.set({ guest }, 1);
    for (const queue of report.queues) this.#queue(guest, queue);
    if (grants !== null) this.#grant(guest, grants);
  }

  /** The guest can not be read: its queues have no values, and `up` is 0. */
  down(guest: string): void {
    this.#clear(guest);
    this.#up.set({ guest }, 0);
  }

  /** The text that Prometheus scrapes. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Its content type. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  #queue(guest: string, queue: QueueRates): void {
    const { device, indices, usedRate, inFlightWorst, waiting, oldest, verdict, gap } = queue;
    const labels = { guest, device: device.name, queue: queue.queue.name };
    this.#gaps.inc(labels, gap ? 1 : 0);
    if (indices === null) return;
    this.#shown.get(guest)?.push(labels);
    this.#available.set(labels, indices.available.index);
    this.#used.set(labels, indices.used.index);
    this.#inFlight.set(labels, indices.inFlight);
    this.#worst.set(labels, inFlightWorst);
    if (usedRate !== null) this.#rate.set(labels, usedRate);
    this.#waiting.set(labels, waiting / 1000);
    if (oldest !== null) this.#oldest.set(labels, oldest / 1000);
    if (verdict !== null) this.#say(labels, verdict);
  }

  #say(labels: QueueLabels, verdict: Verdict): void {
    for (const one of VERDICTS) {
      this.#verdict.set({ ...labels, verdict: one }, one === verdict ? 1 : 0);
    }
  }

  #grant(guest: string, { frames, maxFrames, used, limit }: GrantUse): void {
    this.#grants.frames.set({ guest }, frames);
    this.#grants.maxFrames.set({ guest }, maxFrames);
    this.#grants.used.set({ guest }, used);
    this.#grants.limit.set({ guest }, limit);
  }

  /** Forgets the gauges of one guest; counters stay, as counters must. */
  #clear(guest: string): void {
    for (const labels of this.#shown.get(guest) ?? []) {
      for (const gauge of this.#gauges()) gauge.remove({ ...labels });
      for (const verdict of VERDICTS) this.#verdict.remove({ ...labels, verdict });
    }
    for (const gauge of Object.values(this.#grants)) gauge.remove({ guest });
    this.#shown.set(guest, []);
  }

  #gauges(): Gauge[] {
    return [
      this.#available,
      this.#used,
      this.#inFlight,
      this.#worst,
      this.#rate,
      this.#waiting,
      this.#oldest,
    ];
  }

  #gauge(name: string, help: string, labels: readonly string[] = QUEUE): Gauge {
    const registers = [this.#registry];
    return new Gauge({ name: `guestmem_${name}`, help, labelNames: [...labels], registers });
  }
}
