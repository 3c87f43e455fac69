/**
 * What the standard asks of the buffers of one chain, wherever their descriptors stand.
 *
 * @module
 */
import type { FindingCode } from "../../../lib/finding.ts";
import { firstMissing, memorySize, missingKind, type OracleMemory } from "./memory.ts";
import { CHAIN_FINDINGS, found, type OracleChain, type OracleDescriptor } from "./report.ts";

/** Features and bounds that the rules depend on. */
export interface OracleRules {
  readonly memory: OracleMemory;
  readonly format: "split" | "packed";
  readonly size: number;
  /** VIRTIO_F_INDIRECT_DESC, bit 28. */
  readonly indirect: boolean;
  /** VIRTIO_F_ACCESS_PLATFORM, bit 33: addresses need not be guest addresses. */
  readonly translated: boolean;
}

/** A chain while it is read. */
export interface Reading {
  readonly descriptors: OracleDescriptor[];
  readonly findings: string[];
  readable: number;
  writable: number;
  indirect: boolean;
  /** A device-writable buffer came by. */
  turned: boolean;
  /**
   * It may have been completed and its descriptors be in use again, so that what is wrong between
   * two of them is nobody's fault.
   */
  stale: boolean;
}

/** A chain of which nothing was read yet. */
export function reading(stale: boolean): Reading {
  return {
    descriptors: [],
    findings: [],
    readable: 0,
    writable: 0,
    indirect: false,
    turned: false,
    stale,
  };
}

/** The chain as it is reported. */
export function finished(
  { descriptors, findings, readable, writable, indirect }: Reading,
  rest: Pick<OracleChain, "head" | "slot" | "id" | "state" | "written">,
): OracleChain {
  return { ...rest, readable, writable, indirect, descriptors, findings };
}

/** Notes what is wrong; a chain lists its first 64. */
export function note(chain: Reading, code: FindingCode, place: string): void {
  if (chain.findings.length < CHAIN_FINDINGS) chain.findings.push(found(code, place));
}

/** One buffer: 2.7.5 and 2.7.4.2 of split rings, 2.8.4 and 2.8.5 of packed ones. */
export function takeBuffer(
  rules: OracleRules,
  chain: Reading,
  buffer: Omit<OracleDescriptor, "status">,
  place: string,
): void {
  const { address, length, writable } = buffer;
  const wraps = address + BigInt(length) > 1n << 64n;
  const missing = wraps ? null : firstMissing(rules.memory, address, BigInt(length || 1));
  if (wraps) note(chain, "address-overflow", place);
  else if (missing !== null && !rules.translated) note(chain, "address-outside-memory", place);
  if (length === 0) note(chain, "zero-length", place);
  if (!writable && chain.turned && !chain.stale) note(chain, "readable-after-writable", place);
  if (writable) chain.turned = true;
  takeLength(rules, chain, length, writable, place);
  const status = wraps ? "outside" : missing === null ? "ok" : missingKind(rules.memory, missing);
  chain.descriptors.push({ ...buffer, status });
}

/** 2.7.5.2: no chain is longer than 2^32 bytes; nor can one buffer be longer than all memory. */
function takeLength(
  rules: OracleRules,
  chain: Reading,
  length: number,
  writable: boolean,
  place: string,
): void {
  const before = chain.readable + chain.writable;
  if (writable) chain.writable += length;
  else chain.readable += length;
  const crossed = before <= 2 ** 32 && before + length > 2 ** 32 && !chain.stale;
  const huge = BigInt(length) > memorySize(rules.memory);
  if (crossed || huge) note(chain, "length-too-large", place);
}
