/**
 * A domain's grant table, read as often as it is asked for.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import type { GrantTable, GrantUse } from "./grant_table.ts";
import { openXenHost, parseDomain } from "./host.ts";
import { readGrantTable, readGrantUse } from "./read_grants.ts";

/** A reader that is kept open. */
export interface GrantReader extends Disposable {
  readonly domain: number;
  /** Throws `SourceError`: not-found once the domain is gone. */
  read(): GrantTable;
  /** Counts only, which is fast. Throws the same. */
  use(): GrantUse;
}

/** Opens a reader for `xen:DOMID`'s DOMID. Throws `SourceError`. */
export function openGrantReader(what: string, sys: Sys = openSys()): GrantReader {
  const domain = parseDomain(what);
  const host = openXenHost(sys, false);
  return {
    domain,
    read: () => readGrantTable(host, domain),
    use: () => readGrantUse(host, domain),
    [Symbol.dispose]: () => host[Symbol.dispose](),
  };
}
