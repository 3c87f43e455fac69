/**
 * IP addresses as people write them.
 *
 * @module
 */
import { list, u16 } from "./kind.ts";

/** `10.0.2.15`. */
export function ipv4Text(address: Uint8Array): string {
  return address.join(".");
}

/** RFC 5952: lower case, the longest run of two or more zero groups as `::`. */
export function ipv6Text(address: Uint8Array): string {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  const groups = list(8, u16).read(view, 0, false);
  const run = longestZeros(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, index) => {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  });
  return best;
}
