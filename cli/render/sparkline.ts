/**
 * A series of rates in one line.
 *
 * @module
 */

/** Nothing, and seven steps to the most. */
const STEPS = { unicode: "▁▂▃▄▅▆▇█", ascii: "_.:-=+*#" } as const;

/**
 * A column for each of the last `width` rates, beside each other up to the right edge: as high as its
 * part of the highest that is shown. Whatever is more than nothing is higher than nothing. NaN, not
 * known, is `?`.
 */
export function sparkline(rates: readonly number[], width: number, unicode: boolean): string {
  const shown = width < 1 ? [] : rates.slice(-width);
  const most = peakOf(shown);
  const steps = unicode ? STEPS.unicode : STEPS.ascii;
  const sign = (rate: number) =>
    Number.isNaN(rate) ? "?" : steps[rate <= 0 ? 0 : Math.max(1, Math.round(rate / most * 7))];
  return shown.map(sign).join("").padStart(width);
}

/** The highest known rate; 0 where none is. */
export function peakOf(rates: readonly number[]): number {
  return rates.reduce((most, rate) => rate > most ? rate : most, 0);
}
