/**
 * Indirect tables: virtio 1.4, 2.7.5.3 (split) and 2.8.7 (packed).
 *
 * @module
 */
import { note, type OracleRules, type Reading, takeBuffer } from "./buffers.ts";
import { canRead, firstMissing, numberAt } from "./memory.ts";
import { TABLE_ENTRIES } from "./report.ts";

const [NEXT, WRITE, INDIRECT] = [1, 2, 4];

/** A descriptor as it stands in memory, in either format. */
export interface RawDescriptor {
  readonly address: bigint;
  readonly length: number;
  readonly flags: number;
  /** Split: `next`. Packed: buffer id. */
  readonly other: number;
}

/** Reads 16 bytes as a descriptor: flags before `next` in split rings, after `id` in packed ones. */
export function descriptorAt(
  { memory, format }: OracleRules,
  address: bigint,
  space: "guest" | "user" = "guest",
): RawDescriptor {
  const field = (offset: bigint, length: number) =>
    numberAt(memory, address + offset, length, space) ?? 0n;
  const [flags, other] = format === "split" ? [12n, 14n] : [14n, 12n];
  return {
    address: field(0n, 8),
    length: Number(field(8n, 4)),
    flags: Number(field(flags, 2)),
    other: Number(field(other, 2)),
  };
}

/** Follows a descriptor with INDIRECT: what is wrong with it, then the table's entries. */
export function takeTable(
  rules: OracleRules,
  chain: Reading,
  { address, length }: RawDescriptor,
  place: string,
  { withNext, freed }: { withNext: boolean; freed: boolean },
): void {
  chain.indirect = true;
  if (!rules.indirect) note(chain, "indirect-not-negotiated", place);
  if (withNext) note(chain, "indirect-with-next", place);
  if (length === 0) note(chain, "indirect-empty", place);
  else if (length % 16 !== 0) note(chain, "indirect-length", place);
  if (Math.floor(length / 16) > rules.size) note(chain, "indirect-too-long", place);
  if (length === 0 || length % 16 !== 0) return;
  if (freed) takeFreed(rules, chain, address, length, place);
  else takeEntries(rules, chain, address, length, place);
}

/** What stands in a table that may be somebody else's by now: shown, and nobody's fault. */
function takeFreed(
  rules: OracleRules,
  chain: Reading,
  address: bigint,
  length: number,
  place: string,
): void {
  const known = chain.findings.length;
  takeEntries(rules, chain, address, length, place);
  chain.findings.length = known;
  chain.stale = true;
}

function takeEntries(
  rules: OracleRules,
  chain: Reading,
  address: bigint,
  length: number,
  place: string,
): void {
  const entries = Math.min(length / 16, TABLE_ENTRIES);
  if (!isReadable(rules, address, length, entries)) {
    return note(chain, "indirect-outside-memory", place);
  }
  if (rules.format === "split") linked(rules, chain, address, length / 16, place);
  else {for (let entry = 0; entry < entries; entry++) {
      takeEntry(rules, chain, address, entry, entry + 1 < entries ? entry + 1 : null, place);
    }}
}

/** All of the table must be memory; of what is looked at, every byte must be readable. */
function isReadable(
  { memory }: OracleRules,
  address: bigint,
  length: number,
  entries: number,
): boolean {
  if (address + BigInt(length) > 1n << 64n) return false;
  if (firstMissing(memory, address, BigInt(length)) !== null) return false;
  return canRead(memory, address, entries * 16);
}

/** Split: from entry 0 on as `next` says, until there is none or it leads nowhere new. */
function linked(
  rules: OracleRules,
  chain: Reading,
  address: bigint,
  entries: number,
  place: string,
): void {
  const seen = new Set<number>();
  for (let entry = 0; entry < TABLE_ENTRIES;) {
    seen.add(entry);
    const { flags, other } = descriptorAt(rules, address + 16n * BigInt(entry));
    const next = (flags & NEXT) === 0 ? null : other;
    takeEntry(rules, chain, address, entry, next, place);
    if (next === null) return;
    if (next >= entries) return note(chain, "next-out-of-range", `${place}, entry ${entry}`);
    if (seen.has(next)) return note(chain, "loop", `${place}, entry ${entry}`);
    entry = next;
  }
}

function takeEntry(
  rules: OracleRules,
  chain: Reading,
  table: bigint,
  index: number,
  next: number | null,
  place: string,
): void {
  const { address, length, flags } = descriptorAt(rules, table + 16n * BigInt(index));
  const here = `${place}, entry ${index}`;
  const writable = (flags & WRITE) !== 0;
  if ((flags & INDIRECT) === 0) {
    takeBuffer(rules, chain, { index, address, length, writable, next }, here);
    return;
  }
  note(chain, "indirect-nested", here);
  chain.descriptors.push({ index, address, length, writable, next, status: "ok" });
}
