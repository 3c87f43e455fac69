/**
 * A chain as it is walked with care: every descriptor, wherever it stands, passes the same check.
 *
 * @module
 */
import { ADDRESS_LIMIT, hex } from "../address.ts";
import type { Finding, FindingCode } from "../finding.ts";
import type { GuestMemory, RangeStatus } from "../memory/guest_memory.ts";
import { FEATURE, type RingConfig } from "./config.ts";
import { MAX_CHAIN_BYTES } from "./limits.ts";
import { finding } from "./sections.ts";
import type { ChainDescriptor } from "./snapshot.ts";

/** Findings that one chain lists; what comes after adds nothing to the picture. */
const MAX_CHAIN_FINDINGS = 64;

/** One descriptor as read, before any check. */
export interface RawDescriptor {
  readonly index: number;
  readonly address: bigint;
  readonly length: number;
  readonly writable: boolean;
  readonly next: number | null;
}

/** Collects the descriptors and findings of one chain. */
export class ChainBuilder {
  readonly descriptors: ChainDescriptor[] = [];
  readonly findings: Finding[] = [];
  readable = 0;
  writable = 0;
  indirect = false;
  /** A device-writable buffer came by. */
  #turned = false;
  readonly #memory: GuestMemory;
  readonly #config: RingConfig;
  #stale: boolean;
  #quiet = false;

  /**
   * `stale`: the chain may have been completed and its descriptors be in use again. Then each of
   * them is as it should be, but they need not belong together: what is wrong between two of them is
   * no violation.
   */
  constructor(memory: GuestMemory, config: RingConfig, stale = false) {
    this.#memory = memory;
    this.#config = config;
    this.#stale = stale;
  }

  /** The one check: length, overflow, place in memory, order, sum. Then the descriptor is kept. */
  add(raw: RawDescriptor, place: string): void {
    const status = this.#range(raw, place);
    if (raw.length === 0) this.find("zero-length", place, `buffer at ${hex(raw.address)} is empty`);
    if (raw.writable) this.#turned = true;
    else if (this.#turned && !this.#stale) {
      this.find("readable-after-writable", place, "device-readable after a device-writable one");
    }
    this.#sum(raw, place);
    this.descriptors.push({ ...raw, status });
  }

  /** Notes a violation. */
  find(code: FindingCode, place: string, text: string): void {
    if (this.#quiet || this.findings.length >= MAX_CHAIN_FINDINGS) return;
    this.findings.push(finding(this.#config.format, code, place, text));
  }

  /**
   * Adds descriptors that prove nothing: none of what `add` finds is a violation, nor is, from then
   * on, what is wrong between them and others.
   */
  quietly(add: () => void): void {
    this.#stale = true;
    this.#quiet = true;
    add();
    this.#quiet = false;
  }

  /** Keeps a descriptor that must not be followed, such as a nested table. */
  keep(raw: RawDescriptor): void {
    this.descriptors.push({ ...raw, status: "ok" });
  }

  #sum(raw: RawDescriptor, place: string): void {
    const before = this.readable + this.writable;
    if (raw.writable) this.writable += raw.length;
    else this.readable += raw.length;
    const sum = before + raw.length;
    if (before <= MAX_CHAIN_BYTES && sum > MAX_CHAIN_BYTES && !this.#stale) {
      this.find("length-too-large", place, `chain is ${sum} bytes, more than 2^32`);
    } else if (BigInt(raw.length) > this.#memory.table.size) {
      this.find("length-too-large", place, `${raw.length} bytes are more than the guest has`);
    }
  }

  #range(raw: RawDescriptor, place: string): RangeStatus {
    const { address, length } = raw;
    if (address + BigInt(length) > ADDRESS_LIMIT) {
      this.find("address-overflow", place, `buffer ${rangeText(raw)} wraps past 2^64`);
      return "outside";
    }
    const status = this.#memory.status(address, BigInt(length));
    if (status !== "ok" && !this.#translated()) {
      const text = `buffer ${rangeText(raw)} is not all guest memory`;
      this.find("address-outside-memory", place, text);
    }
    return status;
  }

  /** Behind an IOMMU or a grant table an address outside memory is one that something translates. */
  #translated(): boolean {
    return (this.#config.features & FEATURE.ACCESS_PLATFORM) !== 0n;
  }
}

function rangeText({ address, length }: RawDescriptor): string {
  return `[${hex(address)}, +${hex(length)})`;
}
