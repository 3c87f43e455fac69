/**
 * The other half of an experiment: pages of ours, granted to a domain, held until disposed.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { openGntalloc } from "../../ffi/xen/gntalloc.ts";
import { SourceError } from "../errors.ts";
import { explained } from "./host.ts";
import { LIST_LIMIT } from "./number_list.ts";

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

/**
 * Offered pages. Disposing ends the grants; a page that the other side still has mapped is freed by
 * the kernel when it lets go. Whether it has, Xen does not tell: no domain sees its own grant table.
 */
export interface Offer extends Disposable {
  readonly refs: readonly number[];
  /** First bytes of the first page: what the other side may have written. */
  preview(): Uint8Array;
}

const PREVIEW = 48;

/** Allocates and grants. Throws `SourceError`. */
export function offerPages(options: OfferOptions): Offer {
  using undo = new DisposableStack();
  const sys = options.sys ?? openSys();
  if (options.count > LIST_LIMIT) throw tooMany(options.count);
  const pages = explained("offer pages", () => {
    const gntalloc = undo.use(openGntalloc(sys));
    return undo.use(gntalloc.offer(options.domain, options.count, options.writable));
  });
  pages.store(0, new TextEncoder().encode(options.text).subarray(0, 4095));
  const resources = undo.move();
  return {
    refs: pages.refs,
    preview() {
      const bytes = new Uint8Array(PREVIEW);
      return bytes.subarray(0, pages.copy(0, bytes).length);
    },
    [Symbol.dispose]: () => resources.dispose(),
  };
}

/** Their references would not fit into one list, nor the list into our memory. */
function tooMany(count: number): SourceError {
  const remedy = `offer at most ${LIST_LIMIT}; module xen_gntalloc's parameter \`limit\` is lower`;
  return new SourceError("xen", "offer pages", "failed", `${count} pages are too many`, remedy);
}
