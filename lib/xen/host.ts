/**
 * The devices of a Xen host, opened together and closed in reverse.
 *
 * @module
 */
import { isErrno } from "../../ffi/errno.ts";
import type { Sys } from "../../ffi/sys.ts";
import { type Gntdev, openGntdev } from "../../ffi/xen/gntdev.ts";
import {
  type DomainInfo,
  DomctlVersionError,
  type Hypercalls,
  openHypercalls,
} from "../../ffi/xen/hypercall.ts";
import { openPrivcmd, type Privcmd } from "../../ffi/xen/privcmd.ts";
import { isSyscallFailure, SourceError, type SourceFailure } from "../errors.ts";

/** What Xen work needs. */
export interface XenHost extends Disposable {
  readonly sys: Sys;
  readonly write: boolean;
  readonly privcmd: Privcmd;
  readonly calls: Hypercalls;
  /** Opened when it is first asked for. */
  gntdev(): Gntdev;
}

/** XEN_DOMINF_*: bits of `DomainInfo.flags`. */
export const DOMINF = {
  dying: 1,
  hvm: 2,
  shutdown: 4,
  paused: 8,
  blocked: 16,
  running: 32,
} as const;

/** Opens privcmd; read-only unless `write`. Throws `SourceError` with the remedy. */
export function openXenHost(sys: Sys, write: boolean): XenHost {
  using undo = new DisposableStack();
  const privcmd = undo.use(explained("open privcmd", () => openPrivcmd(sys, write)));
  const calls = undo.use(explained("open hypercalls", () => openHypercalls(sys, privcmd)));
  const resources = undo.move();
  let gntdev: Gntdev | null = null;
  return {
    sys,
    write,
    privcmd,
    calls,
    gntdev: () => gntdev ??= resources.use(explained("open gntdev", () => openGntdev(sys, write))),
    [Symbol.dispose]: () => resources.dispose(),
  };
}

const KINDS: { readonly [errno: string]: SourceFailure } = {
  ENOENT: "unsupported",
  ENODEV: "unsupported",
  ENXIO: "unsupported",
  ENOTTY: "unsupported",
  ENOSYS: "unsupported",
  EACCES: "permission",
  EPERM: "permission",
  ESRCH: "not-found",
  EBUSY: "busy",
};

/** Runs ffi calls; a failed one becomes a `SourceError` that keeps its words and its remedy. */
export function explained<T>(stage: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw isSyscallFailure(error) ? sourceError(stage, error) : error;
  }
}

function sourceError(stage: string, error: unknown): SourceError {
  const version = error instanceof DomctlVersionError;
  const failure = error as { errno: string; message: string; remedy?: string };
  const remedy = failure.remedy ?? "";
  const text = remedy === "" ? failure.message : failure.message.replace(`; ${remedy}`, "");
  const kind = version ? "unsupported" : KINDS[failure.errno] ?? "failed";
  return new SourceError("xen", stage, kind, text, remedy, { cause: error });
}

/** Parses a domain id: 0 to 0x7fef. Throws `SourceError` (stage `parse`). */
export function parseDomain(text: string): number {
  const domain = /^[0-9]{1,5}$/.test(text) ? Number(text) : NaN;
  if (domain < 0x7ff0) return domain;
  const why = Number.isNaN(domain) ? "is no domain id" : "is reserved by Xen";
  const named = /^[A-Za-z][A-Za-z0-9_.+-]{0,63}$/.test(text);
  const remedy = named
    ? `want its number: \`xl domid ${text}\` or \`guestmem find\` tells it`
    : "want a number from `xl list` or `guestmem find`, such as xen:1";
  throw new SourceError("xen", "parse", "failed", `"${text}" ${why}`, remedy);
}

/**
 * Throws `SourceError` (not-found) where there is no such domain. Works whatever the domctl version.
 */
export function assertDomain(host: XenHost, domain: number): void {
  if (explained("find domain", () => host.calls.grantTableSize(domain)) !== null) return;
  throw noDomain(domain);
}

function noDomain(domain: number): SourceError {
  const remedy = "`xl list` or `guestmem find` lists domains";
  return new SourceError("xen", "find domain", "not-found", `no domain ${domain}`, remedy);
}

/**
 * What the hypervisor says of a domain. Throws `SourceError`: not-found where there is none; the
 * words of the call for a domctl version that is not known.
 */
export function domainInfo(host: XenHost, domain: number): DomainInfo {
  const info = explained("read domain info", () => host.calls.domainInfo(domain));
  if (info !== null && (info.flags & DOMINF.dying) === 0) return info;
  if (info === null) throw noDomain(domain);
  const text = `domain ${domain} is dying`;
  const remedy = "a zombie stays as long as somebody has its pages mapped; end that process";
  throw new SourceError("xen", "find domain", "not-found", text, remedy);
}

/** The same, or null where the hypervisor does not tell us: an unknown domctl version, no right. */
export function tryDomainInfo(host: XenHost, domain: number): DomainInfo | null {
  try {
    return host.calls.domainInfo(domain);
  } catch (error) {
    if (isErrno(error)) return null;
    throw error;
  }
}

/** HVM_PARAM_STORE_PFN. */
const STORE_PFN = 1;

/**
 * Whether the hypervisor translates a domain's frames (HVM, PVH), of a domain of which it tells nothing
 * else: only such a domain has parameters. Throws `SourceError`.
 */
export function hasParameters(host: XenHost, domain: number): boolean {
  return explained("read HVM parameter", () => {
    try {
      host.calls.hvmParam(domain, STORE_PFN);
      return true;
    } catch (error) {
      if (isErrno(error, "EINVAL")) return false;
      throw error;
    }
  });
}

/** The same of every domain; none where the hypervisor does not tell. See `Hypercalls.domains`. */
export function tryDomains(host: XenHost, limit: number): readonly DomainInfo[] {
  try {
    return host.calls.domains(limit);
  } catch (error) {
    if (isErrno(error)) return [];
    throw error;
  }
}

/**
 * `running`, `blocked`, `paused`, `dying` … as `xl list` has them; `runnable` (RUNSTATE_runnable of
 * xen/include/public/vcpu.h), for which that has no letter: it waits for a processor.
 */
export function stateName(flags: number): string {
  if (flags & DOMINF.dying) return "dying";
  if (flags & DOMINF.shutdown) return "shut down";
  if (flags & DOMINF.paused) return "paused";
  return flags & DOMINF.running ? "running" : flags & DOMINF.blocked ? "blocked" : "runnable";
}
