/**
 * Grants or frames of a domain as memory: mapped when it is made, and until it is closed.
 *
 * ```text
 * grants 8,9,12     bit 63 | 8 << 12, 0x2000     bit 63 | 12 << 12, 0x1000
 * frames 4-6        0x4000, 0x3000
 * ```
 *
 * @module
 */
import { GRANT_FLAG, guestAddress, hex } from "../address.ts";
import { SourceError } from "../errors.ts";
import type { Region } from "../memory/region.ts";
import type { DomainPart } from "../source/source.ts";
import type { XenHost } from "./host.ts";
import { type ListedFrames, mapFrames, mapGrants } from "./listed_frames.ts";
import { parseNumberList } from "./number_list.ts";

/** A part that is mapped. Disposing unmaps it. */
export interface MappedPart extends Disposable {
  readonly regions: readonly Region[];
  /** What could not be mapped, and why: a line each. */
  readonly faults: readonly string[];
}

/** Highest reference and highest frame that can exist. */
export const HIGHEST = { grants: 0xffff_ffff, frames: 2 ** 40 - 1 } as const;

/** Maps a part. Throws `SourceError`, also where nothing of it can be mapped. */
export function mapPart(host: XenHost, domain: number, part: DomainPart): MappedPart {
  const numbers = numbersOf(part);
  const one = part.kind === "grants" ? "grant" : "frame";
  using undo = new DisposableStack();
  const listed = part.kind === "grants"
    ? mapGrants(host, domain, numbers)
    : mapFrames(host, domain, numbers, part.kind === "machine-frames");
  undo.use(listed.frames);
  const faults = faultsOf(listed, one, numbers);
  const regions = regionsOf(listed, one, numbers, host.write);
  if (regions.length === 0) throw nothingMapped(domain, one, faults);
  const resources = undo.move();
  return { regions, faults, [Symbol.dispose]: () => resources.dispose() };
}

/** In order, and each once: addresses can not be there twice. */
function numbersOf({ kind, list }: DomainPart): number[] {
  const highest = kind === "grants" ? HIGHEST.grants : HIGHEST.frames;
  try {
    const numbers = parseNumberList(list, highest);
    return [...new Set(numbers)].sort((a, b) => a - b);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SourceError("xen", "parse", "failed", error.message);
  }
}

function faultsOf({ faultOf }: ListedFrames, one: string, numbers: readonly number[]): string[] {
  return numbers.flatMap((number, i) => {
    const fault = faultOf(i);
    return fault === null ? [] : [`${one} ${nameOf(one, number)} is not mapped: ${fault}`];
  });
}

/** References are decimal everywhere, frames hexadecimal. */
function nameOf(one: string, number: number): string {
  return one === "grant" ? `${number}` : hex(number);
}

/** A region per run of neighbours that are mapped. */
function regionsOf(
  { frames, faultOf }: ListedFrames,
  one: string,
  numbers: readonly number[],
  write: boolean,
): Region[] {
  const runs: { start: number; count: number }[] = [];
  numbers.forEach((number, i) => {
    if (faultOf(i) !== null) return;
    const last = runs[runs.length - 1];
    const next = last !== undefined && last.start + last.count === i &&
      numbers[i - 1] + 1 === number;
    if (next) last.count++;
    else runs.push({ start: i, count: 1 });
  });
  const flag = one === "grant" ? GRANT_FLAG : 0n;
  return runs.map(({ start, count }) => ({
    guest: guestAddress(flag | (BigInt(numbers[start]) * 4096n)),
    length: BigInt(count) * 4096n,
    backing: frames,
    offset: start * 4096,
    access: write ? "rw" : "ro",
    name: count === 1
      ? `${one} ${nameOf(one, numbers[start])}`
      : `${one}s ${nameOf(one, numbers[start])}-${nameOf(one, numbers[start + count - 1])}`,
    user: null,
  }));
}

function nothingMapped(domain: number, one: string, faults: readonly string[]): SourceError {
  const more = faults.length > 1 ? `; and ${faults.length - 1} more` : "";
  const text = `none of these ${one}s of domain ${domain} can be mapped: ${faults[0]}${more}`;
  const remedy = one === "grant"
    ? `\`guestmem dump grants xen:${domain}\` lists what is granted, and to whom`
    : `\`guestmem map xen:${domain}\` lists where its memory is`;
  return new SourceError("xen", `map ${one}s`, "not-found", text, remedy);
}
