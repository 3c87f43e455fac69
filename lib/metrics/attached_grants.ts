/**
 * The grant table use of the guest that is attached, beside the reports on its rings.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { Attachment } from "../source/source.ts";
import type { GrantUse } from "../xen/grant_table.ts";
import { type GrantReader, openGrantReader } from "../xen/watch_grants.ts";

/** What is attached, as far as it matters here. */
export type GrantOwner = Pick<Attachment, "target" | "origin">;

/** Reads the grant table of whichever guest was attached last. */
export class AttachedGrants implements Disposable {
  #domain: string | null = null;
  #reader: GrantReader | null = null;
  /** Why it could not be read; told once. */
  #failure = "";

  constructor(readonly sys: Sys | undefined, readonly log: (line: string) => void) {}

  /** Takes a new attachment in the place of the one before. */
  attach(owner: GrantOwner): void {
    this[Symbol.dispose]();
    this.#domain = domainOf(owner);
  }

  /** The use now; null for what is no Xen domain, and where the host does not let us read it. */
  use(): GrantUse | null {
    if (this.#domain === null) return null;
    try {
      this.#reader ??= openGrantReader(this.#domain, this.sys);
      const use = this.#reader.use();
      this.#failure = "";
      return use;
    } catch (error) {
      if (!(error instanceof SourceError) && !isSyscallFailure(error)) throw error;
      this.#tell(error.message);
      return null;
    }
  }

  #tell(failure: string): void {
    if (failure !== this.#failure) this.log(`grant table not read: ${failure}`);
    this.#failure = failure;
  }

  [Symbol.dispose](): void {
    this.#reader?.[Symbol.dispose]();
    this.#reader = null;
    this.#domain = null;
  }
}

/** DOMID of `xen:DOMID…`, also of one that a session holds. */
function domainOf({ target, origin }: GrantOwner): string | null {
  return /^xen:([0-9]{1,5})(?:[./]|$)/.exec(origin ?? target.text)?.[1] ?? null;
}
