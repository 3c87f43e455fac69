/**
 * From a shape in memory to a ring that can be read, with everything that speaks for it.
 *
 * @module
 */
import { decodeChain } from "../device/decode_chain.ts";
import type { DecodedRequest } from "../device/decoder.ts";
import { FEATURE, type RingConfig } from "../ring/config.ts";
import { openRing } from "../ring/ring.ts";
import type { RingSnapshot } from "../ring/snapshot.ts";
import type { BareRing, EventAreas } from "./event_areas.ts";
import { type Certainty, certaintyOf, counted, type Evidence, scoreOf } from "./evidence.ts";
import { firmwareRecord } from "./firmware.ts";
import { type Guess, guess } from "./guess.ts";
import type { Look } from "./look.ts";
import { movedPacked, movedSplit } from "./movement.ts";
import type { PackedShape } from "./packed_shape.ts";
import { RECENT, samplesOf } from "./sample.ts";
import type { SplitShape } from "./split_shape.ts";
import { type Readings, stalePacked } from "./stale_packed.ts";

/** A ring that was found. */
export interface FoundRing {
  readonly config: RingConfig;
  /**
   * False where a packed ring in its first lap does not tell its size: it is at least so large. Of a
   * split ring false where only the distance of its areas tells it, or not even that.
   */
  readonly sizeKnown: boolean;
  /** False where the used ring of a split ring is empty, and could stand elsewhere. */
  readonly usedKnown: boolean;
  /** False where something stands in for an event area of a packed ring: see `event_areas.ts`. */
  readonly eventsKnown: boolean;
  /** 0 to 1: see `evidence.ts`. */
  readonly score: number;
  readonly certainty: Certainty;
  /** Which device and queue the requests are those of; null where they do not tell. */
  readonly guess: Guess | null;
  /** The newest request that could be decoded, or null. */
  readonly request: DecodedRequest | null;
  /** The reading that was judged. */
  readonly snapshot: RingSnapshot;
  /** What speaks for it and against it, strongest first. */
  readonly evidence: readonly Evidence[];
  /** What a person should know of it; mostly empty. */
  readonly notes: readonly string[];
}

/** Bits against a ring for each kind of finding, and at most. */
const FINDING = { each: -4, most: -16 } as const;
/** Bits for each chain with nothing wrong in it, and at most. */
const CHAIN = { each: 0.75, most: 6 } as const;
/** Bits for an index that moved since the scan came by: nothing else counts on. */
const MOVED = 48;
/** What is left of the score of a ring that firmware drove and that is at rest. */
const LEFT_BEHIND = 0.25;

/** Reads a split ring of this shape. */
export function foundSplit(look: Look, shape: SplitShape): FoundRing {
  const record = firmwareRecord(look, shape);
  const ours = FEATURE.VERSION_1 | FEATURE.INDIRECT_DESC;
  const eventIndex = shape.eventIndex && !record;
  const config: RingConfig = {
    format: "split",
    size: shape.size,
    descriptor: BigInt(shape.descriptor),
    driver: BigInt(shape.driver),
    device: BigInt(shape.device),
    addressSpace: "guest",
    features: ours | (eventIndex ? FEATURE.EVENT_IDX : 0n),
  };
  const ring = openRing(look.memory, config);
  const snapshot = ring.snapshot({ chains: "recent", recentCount: RECENT });
  const moved = movedSplit(shape, ring);
  const readings = samplesOf(look.memory, snapshot).map((sample) => [sample]);
  const base = { look, config, snapshot, readings, moved, evidence: shape.evidence };
  const { sizeKnown } = shape;
  const usedKnown = shape.used !== 0;
  const plain = judged(base);
  const notes = [
    ...(sizeKnown ? [] : ["size guessed"]),
    ...(usedKnown ? [] : ["used ring not found"]),
    ...plain.notes,
  ];
  const found = { ...plain, sizeKnown, usedKnown, eventsKnown: true, notes };
  if (!record || moved || snapshot.inFlight > 0) return found;
  const score = found.score * LEFT_BEHIND;
  const note = "SeaBIOS drove it, and it is at rest: probably left behind";
  return { ...found, score, certainty: certaintyOf(score), notes: [note, ...found.notes] };
}

/** Where both sides of a packed ring stand; null where it can not be read. */
export function bareRing(look: Look, { descriptor, size }: PackedShape): BareRing | null {
  // Any memory will do for the event areas: the positions come first, and say what to look for.
  const place = { driver: descriptor, device: descriptor };
  const indices = openRing(look.memory, packedConfig(descriptor, size, place)).indices();
  if (indices === null) return null;
  const [available, used] = [indices.available, indices.used]
    .map(({ index, wrap }) => ({ index, wrap: wrap ?? true }));
  return { descriptor, size, available, used };
}

function packedConfig(
  descriptor: number,
  size: number,
  { driver, device }: { readonly driver: number; readonly device: number },
): RingConfig {
  return {
    format: "packed",
    size,
    descriptor: BigInt(descriptor),
    driver: BigInt(driver),
    device: BigInt(device),
    addressSpace: "guest",
    features: FEATURE.VERSION_1 | FEATURE.INDIRECT_DESC | FEATURE.RING_PACKED,
  };
}

/** Reads a packed ring of this shape, with its event areas or what stands in for them. */
export function foundPacked(look: Look, shape: PackedShape, areas: EventAreas): FoundRing {
  const { size, descriptor } = shape;
  const bare = packedConfig(descriptor, size, areas);
  const features = bare.features | (areas.known > 0 ? FEATURE.EVENT_IDX : 0n);
  const config: RingConfig = { ...bare, features };
  const snapshot = openRing(look.memory, config).snapshot();
  const words = shape.words;
  const readings: Readings[] = [
    ...stalePacked(look, words, size, snapshot.used.index),
    ...samplesOf(look.memory, snapshot).map((sample) => [sample]),
  ];
  const moved = movedPacked(look, shape);
  const evidence = [
    ...shape.evidence,
    ...counted(areas.known, 6, 12, "event areas that ask for its positions"),
  ];
  const found = judged({ look, config, snapshot, readings, moved, evidence });
  const notes = [
    ...(shape.sizeKnown ? [] : ["size guessed"]),
    ...(areas.known === 2
      ? []
      : [areas.known === 0 ? "event areas not found" : "one event area not found"]),
    ...found.notes,
  ];
  const { sizeKnown } = shape;
  return { ...found, notes, sizeKnown, usedKnown: true, eventsKnown: areas.known === 2 };
}

interface Judgement {
  readonly look: Look;
  readonly config: RingConfig;
  readonly snapshot: RingSnapshot;
  readonly readings: readonly Readings[];
  readonly moved: boolean;
  readonly evidence: readonly Evidence[];
}

function judged(
  { look, config, snapshot, readings, moved, evidence }: Judgement,
): Omit<FoundRing, "sizeKnown" | "usedKnown" | "eventsKnown"> {
  const requests = guess(readings, look);
  const codes = [...new Set(snapshot.findings.map(({ code }) => code))];
  const sound = readings.filter(([one]) => one.fresh && one.chain.findings.length === 0).length;
  const all: Evidence[] = [
    ...evidence,
    ...(moved ? [{ text: "it moved while it was looked at", bits: MOVED }] : []),
    ...(sound === 0
      ? []
      : [{ text: `${sound} sound chains`, bits: Math.min(sound * CHAIN.each, CHAIN.most) }]),
    ...(requests === null ? [] : [requestEvidence(requests)]),
    ...(codes.length === 0
      ? []
      : [{ text: codes.join(", "), bits: Math.max(codes.length * FINDING.each, FINDING.most) }]),
  ];
  const score = scoreOf(all);
  const features = config.features | (requests?.features ?? 0n);
  return {
    config: { ...config, features },
    score,
    certainty: certaintyOf(score),
    guess: requests,
    request: requests === null ? null : decoded(look, requests, features),
    snapshot,
    evidence: all.toSorted((a, b) => Math.abs(b.bits) - Math.abs(a.bits)),
    notes: codes.length === 0 ? [] : [`findings: ${codes.join(", ")}`],
  };
}

function requestEvidence({ type, queue, features, fits, bits }: Guess): Evidence {
  const name = type.queueName(queue, { features, queueCount: null });
  return { text: `${fits} requests as in ${type.name} ${name}`, bits };
}

/** A request without a name was overwritten: it would mislead. */
const NAMELESS = /^([0-9]+|incomplete|unknown.*)$/;

function decoded(
  look: Look,
  { type, queue, sample }: Guess,
  features: bigint,
): DecodedRequest | null {
  const { chain } = sample;
  const context = { features, queue, queueCount: null, bigEndian: false, state: chain.state };
  const request = decodeChain(chain, look.memory, type, context);
  return request === null || NAMELESS.test(request.type) ? null : request;
}
