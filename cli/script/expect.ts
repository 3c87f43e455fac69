/**
 * `expect A OP B`, the condition of a script.
 *
 * @module
 */

/** Comparisons of numbers, or of texts where one of both is no number. */
const OPERATORS: Readonly<Record<string, (order: number) => boolean>> = {
  "==": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

/** All operators. */
export const OPERATOR_NAMES: readonly string[] = Object.keys(OPERATORS);

/** Whether the condition holds; null where `operator` is none. */
export function holds(left: string, operator: string, right: string): boolean | null {
  const compare = OPERATORS[operator];
  return compare === undefined ? null : compare(order(left, right));
}

/** Decimal and `0x` numbers are compared as such, exactly. */
function order(left: string, right: string): number {
  const numeric = /^-?[0-9]+(\.[0-9]+)?$/;
  if (isInteger(left) && isInteger(right)) return sign(BigInt(left), BigInt(right));
  if (numeric.test(left) && numeric.test(right)) return sign(Number(left), Number(right));
  return sign(left, right);
}

function isInteger(text: string): boolean {
  return /^(0x[0-9a-fA-F]+|-?[0-9]+)$/.test(text);
}

function sign<T extends bigint | number | string>(left: T, right: T): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
