/**
 * The other half of an experiment: pages of ours, granted to a domain, held until disposed.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { openGntalloc } from "../../ffi/xen/gntalloc.ts";
import { SourceError } from "../errors.ts";
import { explained, openXenHost } from "./host.ts";
import { readGrantTable } from "./read_grants.ts";

/** What to offer. */
export interface OfferOptions {
  /** The domain that may map the pages. */
  readonly domain: number;
  /** Pages of 4 KiB. */
  readonly count: number;
  /** Whether it may write them. */
  readonly writable: boolean;
  /** Stands at the start of the first page. */
  readonly text: string;
  readonly sys?: Sys;
}

/** Offered pages. Disposing ends the grants. */
export interface Offer extends Disposable {
  readonly refs: readonly number[];
  /** References that somebody has mapped at this moment; null where our table can not be read. */
  mapped(): number[] | null;
  /** First bytes of the first page: what the other side may have written. */
  preview(): Uint8Array;
}

/** The domain that grants: ourselves. */
const OURS = 0;
const PREVIEW = 48;

/** Allocates and grants. Throws `SourceError`. */
export function offerPages(options: OfferOptions): Offer {
  using undo = new DisposableStack();
  const sys = options.sys ?? openSys();
  const pages = explained("offer pages", () => {
    const gntalloc = undo.use(openGntalloc(sys));
    return undo.use(gntalloc.offer(options.domain, options.count, options.writable));
  });
  pages.store(0, new TextEncoder().encode(options.text).subarray(0, 4095));
  const resources = undo.move();
  return {
    refs: pages.refs,
    mapped: () => mappedNow(sys, new Set(pages.refs)),
    preview() {
      const bytes = new Uint8Array(PREVIEW);
      return bytes.subarray(0, pages.copy(0, bytes).length);
    },
    [Symbol.dispose]: () => resources.dispose(),
  };
}

function mappedNow(sys: Sys, refs: ReadonlySet<number>): number[] | null {
  try {
    using host = openXenHost(sys, false);
    return readGrantTable(host, OURS).entries
      .filter(({ ref, mappedBy }) => mappedBy !== null && refs.has(ref))
      .map(({ ref }) => ref);
  } catch (error) {
    if (error instanceof SourceError) return null;
    throw error;
  }
}
