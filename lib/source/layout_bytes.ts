/**
 * What a layout says of where the bytes of a memory entry are.
 *
 * @module
 */
import { bit, integer, type Node, quantity, string, wrong } from "./layout_fields.ts";

/** Where the bytes of a memory entry come from. */
export type LayoutBytes =
  /** A file; relative paths start at the layout's folder. */
  | { readonly kind: "file"; readonly path: string }
  /** A memfd of the process, by the name it was created with. */
  | { readonly kind: "memfd"; readonly name: string }
  /** An fd number of the process. */
  | { readonly kind: "fd"; readonly fd: number }
  /** Memory of the process at this address. */
  | { readonly kind: "address"; readonly address: bigint }
  /** Memory of a Xen domain: see `XenBytes`. */
  | XenBytes;

/**
 * Memory of a Xen domain, mapped through dom0's devices. `foreign`: the guest frames from `gpa` on.
 * `grants`: grant references, the first at address 2^63 (bit 63, then reference and offset).
 */
export interface XenBytes {
  readonly kind: "foreign" | "grants";
  readonly domain: number;
  /** false: a page may be mapped only around each access (`on_demand`). */
  readonly inAdvance: boolean;
}

const BYTES = ["file", "memfd", "fd", "address", "foreign", "grants"] as const;

const NAMES = BYTES.map((name) => `"${name}"`).join(", ");

/** Exactly one of them. */
export function parseBytes(entry: Node): LayoutBytes {
  const given = BYTES.filter((name) => name in entry.fields);
  if (given.length !== 1) throw wrong(entry.path, `exactly one of ${NAMES}`, given);
  const [kind] = given;
  switch (kind) {
    case "file":
      return { kind, path: string(entry, "file") };
    case "memfd":
      return { kind, name: string(entry, "memfd") };
    case "fd":
      return { kind, fd: integer(entry, "fd", 0x7fff_ffff) };
    case "address":
      return { kind, address: quantity(entry, "address") };
    default:
      return parseXen(entry, kind);
  }
}

/** First reserved domain id: DOMID_FIRST_RESERVED of Xen's public `xen.h`. */
const FIRST_RESERVED = 0x7ff0;

function parseXen(entry: Node, kind: XenBytes["kind"]): XenBytes {
  const domain = integer(entry, kind, FIRST_RESERVED - 1);
  return { kind, domain, inAdvance: !bit(entry, "on_demand", false) };
}

/** Whether bytes are a Xen domain's. */
export function isXen(bytes: LayoutBytes): bytes is XenBytes {
  return bytes.kind === "foreign" || bytes.kind === "grants";
}
