/**
 * Quantities as people read them.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";

const UNITS = ["", "K", "M", "G", "T", "P", "E"];

/** Bytes with a binary suffix where that is exact to a tenth: `512`, `4K`, `1.5G`. */
export function sizeText(bytes: bigint | number): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)}${UNITS[unit]}`;
}

/** `[0xa0000, 0x100000)`, the end exclusive. */
export function rangeText(start: bigint, length: bigint): string {
  return `[${hex(start)}, ${hex(start + length)})`;
}

/** A rate per second to three digits: `0`, `12.3`, `4.56k`. `?` where it is not known. */
export function rateText(rate: number | null): string {
  if (rate === null) return "?";
  if (rate === 0) return "0";
  const [value, unit] = rate >= 1e6
    ? [rate / 1e6, "M"]
    : rate >= 1e3
    ? [rate / 1e3, "k"]
    : [rate, ""];
  return value.toPrecision(Math.max(3, String(Math.floor(value)).length)) + unit;
}

/** Milliseconds as `340ms`, `2.5s`, `3m 20s`, `2h 5m`. */
export function durationText(milliseconds: number): string {
  const ms = Math.round(milliseconds);
  if (ms < 1000) return `${ms}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes}m ${Math.floor(ms / 1000) % 60}s`;
  return `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/** `1 chain`, `2 chains`; `several` where an s does not make it so. */
export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : several}`;
}
