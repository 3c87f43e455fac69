/**
 * Address spaces. Each is a branded bigint, so that a guest-physical address can not be handed to
 * something that wants a front-end's user address. All are byte addresses unless said otherwise.
 *
 * @module
 */

/** Brands an address with its space. It exists for the compiler alone. */
export declare const space: unique symbol;

/** Guest physical address (GPA), in bytes. What descriptors carry unless an IOMMU stands between. */
export type GuestAddress = bigint & { readonly [space]: "guest" };

/** Address in the front-end's process (UVA), in bytes. What vhost-user gives for rings. */
export type UserAddress = bigint & { readonly [space]: "user" };

/** Guest frame number: guest physical address divided by 4096. */
export type Gfn = bigint & { readonly [space]: "gfn" };

/** Xen grant reference: an index into a domain's grant table. */
export type GrantRef = number & { readonly [space]: "grant" };

/**
 * Set in a guest address that names a grant instead of a frame: the reference stands above the offset
 * in its page. XEN_GRANT_DMA_ADDR_OFF of Linux `drivers/xen/grant-dma-ops.c`.
 */
export const GRANT_FLAG = 1n << 63n;

/** One past the largest address a 64-bit machine can name. */
export const ADDRESS_LIMIT = 1n << 64n;

/** Checks and brands a guest physical address. Throws RangeError outside [0, 2^64). */
export function guestAddress(value: bigint | number): GuestAddress {
  return checked(value) as GuestAddress;
}

/** Checks and brands a front-end user address. Throws RangeError outside [0, 2^64). */
export function userAddress(value: bigint | number): UserAddress {
  return checked(value) as UserAddress;
}

/** `0x` and lower-case digits without padding, as every output of the project writes addresses. */
export function hex(value: bigint | number): string {
  return "0x" + value.toString(16);
}

const SUFFIX: Record<string, bigint> = {
  "": 1n,
  k: 1n << 10n,
  m: 1n << 20n,
  g: 1n << 30n,
  t: 1n << 40n,
};

/**
 * Reads a number as an operator writes it: decimal, `0x` hexadecimal, or either with a binary
 * suffix K, M, G or T. Throws SyntaxError for anything else and for values of 2^64 and above.
 */
export function parseNumber(text: string): bigint {
  const match = /^(0x[0-9a-f]+|[0-9]+)([kmgt]?)(?:i?b)?$/i.exec(text.trim().replaceAll("_", ""));
  if (!match) throw new SyntaxError(`not a number: "${text}" (want 4096, 0x1000 or 4K)`);
  const value = BigInt(match[1]) * SUFFIX[match[2].toLowerCase()];
  if (value >= ADDRESS_LIMIT) throw new SyntaxError(`number needs more than 64 bits: "${text}"`);
  return value;
}

function checked(value: bigint | number): bigint {
  const address = BigInt(value);
  if (address < 0n || address >= ADDRESS_LIMIT) {
    throw new RangeError(`address ${address} is not in [0, 2^64)`);
  }
  return address;
}
