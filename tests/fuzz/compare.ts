/**
 * Holds a snapshot against the oracle's report of the same ring.
 *
 * @module
 */
import type { Finding } from "../../lib/finding.ts";
import type {
  DescriptorChain,
  RingIndices,
  RingSide,
  RingSnapshot,
} from "../../lib/ring/snapshot.ts";
import {
  CHAIN_FINDINGS,
  type OracleChain,
  type OracleIndices,
  type OracleReport,
  SNAPSHOT_FINDINGS,
} from "../support/oracle/report.ts";

/** What the walker says is not what the oracle says. */
export class Disagreement extends Error {
  override readonly name = "Disagreement";
}

function differ(what: string, walker: unknown, oracle: unknown): never {
  throw new Disagreement(`${what}: walker ${text(walker)}, oracle ${text(oracle)}`);
}

function text(value: unknown): string {
  const plain = JSON.stringify(
    value,
    (_, one) => typeof one === "bigint" ? "0x" + one.toString(16) : one,
  );
  return plain === undefined || plain.length <= 600 ? String(plain) : plain.slice(0, 600) + "…";
}

function same(what: string, walker: unknown, oracle: unknown): void {
  if (walker !== oracle) differ(what, walker, oracle);
}

/** Compares `indices()`; the ring does not move. */
export function compareIndices(walker: RingIndices | null, oracle: OracleIndices | null): void {
  if (walker === null || oracle === null) return same("indices", walker, oracle);
  compareSide("available", walker.available, oracle.available);
  compareSide("used", walker.used, oracle.used);
  same("inFlight", walker.inFlight, oracle.inFlight);
  same("exact", walker.exact, oracle.exact);
  same("raced", walker.raced, false);
}

function compareSide(name: string, walker: RingSide, oracle: RingSide): void {
  for (const field of ["index", "flags", "event", "wrap", "eventWrap"] as const) {
    same(`${name}.${field}`, walker[field], oracle[field]);
  }
}

/** Compares a whole snapshot: positions, chains in order, findings, totals. */
export function compareSnapshot(walker: RingSnapshot, oracle: OracleReport): void {
  if (oracle.indices === null) {
    same("exact", walker.exact, false);
    same("inFlight", walker.inFlight, 0);
  } else compareIndices(walker, oracle.indices);
  for (const field of ["kickWanted", "callWanted", "by"] as const) {
    same(`suppression.${field}`, walker.suppression[field], oracle.suppression[field]);
  }
  same("chainCount", walker.chainCount, oracle.chains.length);
  oracle.chains.forEach((chain, n) => compareChain(`chain ${n}`, walker.chain(n), chain));
  compareFindings("findings", walker.findings, oracle.findings, SNAPSHOT_FINDINGS);
  compareTotals(walker.totals, oracle.chains.slice(oracle.recent));
}

function compareTotals(walker: RingSnapshot["totals"], chains: readonly OracleChain[]): void {
  const sum = (of: (chain: OracleChain) => number) =>
    chains.reduce((total, chain) => total + of(chain), 0);
  same("totals.descriptors", walker.descriptors, sum(({ descriptors }) => descriptors.length));
  same("totals.readable", walker.readable, sum(({ readable }) => readable));
  same("totals.writable", walker.writable, sum(({ writable }) => writable));
}

function compareChain(name: string, walker: DescriptorChain, oracle: OracleChain): void {
  for (
    const field of [
      "head",
      "slot",
      "id",
      "readable",
      "writable",
      "indirect",
      "state",
      "written",
    ] as const
  ) {
    if (walker[field] !== oracle[field]) differ(`${name} ${field}`, walker, oracle);
  }
  if (walker.descriptors.length !== oracle.descriptors.length) {
    differ(`${name} descriptors`, walker, oracle);
  }
  oracle.descriptors.forEach((expected, n) => {
    const got = walker.descriptors[n];
    for (
      const field of ["index", "address", "length", "writable", "next", "status"] as const
    ) {
      if (got[field] !== expected[field]) differ(`${name} descriptor ${n} ${field}`, got, expected);
    }
  });
  compareFindings(name, walker.findings, oracle.findings, CHAIN_FINDINGS);
}

/** In any order: what is wrong and where, and how often. Beyond the limit only how many count. */
function compareFindings(
  name: string,
  walker: readonly Finding[],
  oracle: readonly string[],
  limit: number,
): void {
  if (walker.length === 0 && oracle.length === 0) return;
  if (oracle.length >= limit) return same(`${name} count`, walker.length, limit);
  const got = walker.map(({ code, place }) => `${code} @ ${place}`).sort();
  const want = [...oracle].sort();
  if (got.length !== want.length || got.some((one, n) => one !== want[n])) {
    differ(`${name} findings`, got, want);
  }
}
