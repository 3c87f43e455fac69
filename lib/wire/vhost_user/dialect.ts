/**
 * What must be known of a conversation to read its next message: id 41 has had two meanings.
 *
 * ```text
 *                         draft, 2022 and 2023           since 2023
 * protocol feature 17     CUSTOM_MMAP                    XEN_MMAP (fields in each region)
 * message 41              CUSTOM_MMAP: flags, value      GET_SHARED_OBJECT: UUID (feature 18)
 * ```
 *
 * Both payloads have 16 bytes. The draft is recognised where all of what can be known agrees:
 * 1. it comes from the front-end, carries no fd and wants no answer;
 * 2. no region has been sent yet: the draft says so, and shared objects belong to a running device;
 * 3. feature 17 is negotiated, or the negotiation was not seen;
 * 4. flags say foreign (1) or grant (2), and the value is a domain id. As a UUID that would be
 *    `01000000-0000-0000-…`: no generator makes one.
 * SHARED_OBJECT without feature 17 settles it the other way.
 *
 * @module
 */
import { CUSTOM_MMAP_REQUEST, HEADER_FLAG } from "./constants.ts";
import type { Header } from "./header.ts";
import { hasProtocolFeature } from "./protocol_features.ts";
import type { Side } from "./requests.ts";

/** What the conversation has shown so far. */
export interface Dialect {
  /** From SET_PROTOCOL_FEATURES; null while not seen. */
  readonly protocolFeatures: bigint | null;
  /** SET_MEM_TABLE or ADD_MEM_REG was seen. */
  readonly memorySeen: boolean;
}

/** The start of a conversation. */
export const FRESH_DIALECT: Dialect = { protocolFeatures: null, memorySeen: false };

/** Flags of the draft's CUSTOM_MMAP. */
export const CUSTOM_MMAP_FLAG = { FOREIGN: 1n, GRANT: 2n } as const;

/** Domain ids end below the first reserved one (DOMID_FIRST_RESERVED, 0x7ff0); 0x7ff0 is DOMID_SELF. */
const LARGEST_DOMID = 0x7ff0n;

/** Whether message 41 is the draft's CUSTOM_MMAP. Any other message: false. */
export function isCustomMmap(
  origin: Side,
  header: Header,
  payload: Uint8Array,
  dialect: Dialect,
): boolean {
  if (origin !== "front-end" || header.request !== CUSTOM_MMAP_REQUEST) return false;
  const asks = (header.flags & (HEADER_FLAG.REPLY | HEADER_FLAG.NEED_REPLY)) !== 0;
  if (asks || payload.length !== 16 || dialect.memorySeen) return false;
  const { protocolFeatures } = dialect;
  if (protocolFeatures !== null && !hasProtocolFeature(protocolFeatures, "XEN_MMAP")) return false;
  return plausible(new DataView(payload.buffer, payload.byteOffset, 16));
}

function plausible(view: DataView): boolean {
  const flags = view.getBigUint64(0, true);
  const one = flags === CUSTOM_MMAP_FLAG.FOREIGN || flags === CUSTOM_MMAP_FLAG.GRANT;
  return one && view.getBigUint64(8, true) <= LARGEST_DOMID;
}
