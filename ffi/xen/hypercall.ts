/**
 * The hypercalls that are made here. None of them changes a guest, except that `sendEvent` notifies it.
 *
 * Source of each struct: `layout.ts`. Arguments stand in memory that the hypervisor may fault on
 * nowhere; one page serves them all.
 *
 * @module
 */
import { isErrno, SyscallError } from "../errno.ts";
import type { Sys } from "../sys.ts";
import {
  DOMCTL_VERSIONS,
  EVTCHN_STATUS,
  GETDOMAININFO,
  GNTTAB_GET_VERSION,
  GNTTAB_QUERY_SIZE,
  HYPERVISOR,
  SUBOP,
  XEN_DOMCTL,
  XEN_FEATURE_INFO,
  XEN_HVM_PARAM,
  XEN_POD_TARGET,
} from "./layout.ts";
import { pinHypercallMemory, type Pinned } from "./pinned.ts";
import type { Privcmd } from "./privcmd.ts";

/** What XEN_DOMCTL_getdomaininfo tells. */
export interface DomainInfo {
  readonly domain: number;
  /** XEN_DOMINF_*: 1 dying, 2 hvm, 4 shut down, 8 paused, 16 blocked, 32 running. */
  readonly flags: number;
  /** Pages of 4 KiB it has. */
  readonly totalPages: number;
  /** Pages it may have. */
  readonly maxPages: number;
  /** Machine frame (PV) or guest frame of its shared_info page; all ones where there is none. */
  readonly sharedInfoFrame: bigint;
  /** Nanoseconds. */
  readonly cpuTime: bigint;
  readonly onlineVcpus: number;
  /** UUID, 16 bytes. */
  readonly handle: Uint8Array;
}

/** Size of a grant table, in frames of 4 KiB. */
export interface GrantTableSize {
  /** Frames it has now. */
  readonly frames: number;
  /** Frames it may have: the limit at which guests stop. */
  readonly maxFrames: number;
}

/** State of one end of an event channel. */
export interface EventChannelStatus {
  /** 0 closed, 1 unbound, 2 interdomain, 3 pirq, 4 virq, 5 ipi. */
  readonly status: number;
  /** The other end, for interdomain; for unbound the domain that may bind. */
  readonly remoteDomain: number | null;
  readonly remotePort: number | null;
}

/** The hypercalls, over one page of argument memory. */
export interface Hypercalls extends Disposable {
  /** `major.minor`, such as `4.17`. */
  version(): string;
  /** XENFEAT_* submap 0 of this domain: bit 2 says that frames are guest frames here too. */
  features(): number;
  /**
   * Null where there is no such domain. Throws `SyscallError` EACCES where no known interface version
   * is taken, and EPERM outside dom0.
   */
  domainInfo(domain: number): DomainInfo | null;
  /**
   * Every domain by id, dying ones too. From 4.19 on the hypervisor does not tell which is the next:
   * ids below `limit` are asked then. Throws as `domainInfo` does.
   */
  domains(limit: number): DomainInfo[];
  /** Interface version that this Xen took; null before the first `domainInfo`. */
  readonly domctlVersion: number | null;
  /** Null where there is no such domain. */
  grantTableSize(domain: number): GrantTableSize | null;
  /** 1 or 2. */
  grantTableVersion(domain: number): number;
  /** Highest guest frame that has ever been populated. */
  maximumGfn(domain: number): number;
  /** Frames that would be populated by a touch: mapping those of such a guest would change it. */
  populateOnDemand(domain: number): number;
  eventChannelStatus(domain: number, port: number): EventChannelStatus;
  /** Sends an event on a port of this domain, whoever of it has bound the port. */
  sendEvent(port: number): void;
  /** An HVM_PARAM_* of an HVM or PVH domain. */
  hvmParam(domain: number, index: number): bigint;
}

/** Takes argument memory and keeps it until disposed. The privcmd stays the caller's. */
export function openHypercalls(sys: Sys, privcmd: Privcmd): Hypercalls {
  const page = pinHypercallMemory(sys, 4096);
  let domctl: number | null = null;
  return {
    version: () => text(privcmd.hypercall(HYPERVISOR.xen_version, "version", [0, 0])),
    features: () => features(privcmd, page),
    domainInfo(domain) {
      const [info, version] = probeDomainInfo(privcmd, page, domain, domctl);
      domctl = version;
      return info;
    },
    domains(limit) {
      domctl ??= probeDomainInfo(privcmd, page, 0, null)[1];
      return listDomains(privcmd, page, domctl, limit);
    },
    get domctlVersion() {
      return domctl;
    },
    grantTableSize: (domain) => grantTableSize(privcmd, page, domain),
    grantTableVersion: (domain) => grantTableVersion(privcmd, page, domain),
    maximumGfn: (domain) => maximumGfn(privcmd, page, domain),
    populateOnDemand: (domain) => populateOnDemand(privcmd, page, domain),
    eventChannelStatus: (domain, port) => eventChannelStatus(privcmd, page, domain, port),
    sendEvent(port) {
      cleared(page, 4).setUint32(0, port, true);
      const args = [SUBOP.EVTCHNOP_send, page.address];
      privcmd.hypercall(HYPERVISOR.event_channel_op, `send on port ${port}`, args);
    },
    hvmParam: (domain, index) => hvmParam(privcmd, page, domain, index),
    [Symbol.dispose]: () => page[Symbol.dispose](),
  };
}

function text(version: number): string {
  return `${version >>> 16}.${version & 0xffff}`;
}

function cleared(page: Pinned, length: number): DataView<ArrayBuffer> {
  new Uint8Array(page.buffer, 0, length).fill(0);
  return page.view;
}

function features(privcmd: Privcmd, page: Pinned): number {
  const view = cleared(page, XEN_FEATURE_INFO.SIZE);
  privcmd.hypercall(HYPERVISOR.xen_version, "features", [SUBOP.XENVER_get_features, page.address]);
  return view.getUint32(XEN_FEATURE_INFO.submap, true);
}

/** Tries the interface versions, newest first, as Xen takes only the one it was built with. */
function probeDomainInfo(
  privcmd: Privcmd,
  page: Pinned,
  domain: number,
  known: number | null,
): [DomainInfo | null, number] {
  for (const version of known === null ? DOMCTL_VERSIONS : [known]) {
    try {
      const info = callDomainInfo(privcmd, page, domain, version);
      return [info.domain === domain ? info : null, version];
    } catch (error) {
      if (isErrno(error, "ESRCH")) return [null, version];
      if (!isErrno(error, "EACCES")) throw error;
    }
  }
  throw new DomctlVersionError(
    "ioctl",
    "EACCES",
    `IOCTL_PRIVCMD_HYPERCALL (getdomaininfo of domain ${domain})`,
    "this Xen takes none of the domctl interface versions of 4.8 to 4.22; " +
      "grants, rings, --frames of an HVM or PVH guest and --machine work without it",
  );
}

/** EACCES that is no matter of rights: the hypervisor speaks another version of its domctl interface. */
export class DomctlVersionError extends SyscallError {}

/** One past the last id that a domain can have: DOMID_FIRST_RESERVED. */
const DOMID_LIMIT = 0x7ff0;
/** From this version on (4.19) a domain that is not there is an error, and not the next one. */
const EXACT_VERSION = 0x17;

function listDomains(
  privcmd: Privcmd,
  page: Pinned,
  version: number,
  limit: number,
): DomainInfo[] {
  const exact = version >= EXACT_VERSION;
  const end = exact ? Math.min(limit, DOMID_LIMIT) : DOMID_LIMIT;
  const list: DomainInfo[] = [];
  for (let id = 0; id < end; id++) {
    const info = infoOrNull(() => callDomainInfo(privcmd, page, id, version));
    if (info === null && !exact) break;
    if (info === null || info.domain < id) continue;
    list.push(info);
    id = info.domain;
  }
  return list;
}

function infoOrNull(call: () => DomainInfo): DomainInfo | null {
  try {
    return call();
  } catch (error) {
    if (isErrno(error, "ESRCH")) return null;
    throw error;
  }
}

/** Up to 4.18 the call gives the next domain that exists instead of an error. */
function callDomainInfo(
  privcmd: Privcmd,
  page: Pinned,
  domain: number,
  version: number,
): DomainInfo {
  const view = cleared(page, XEN_DOMCTL.SIZE);
  view.setUint32(XEN_DOMCTL.cmd, SUBOP.XEN_DOMCTL_getdomaininfo, true);
  view.setUint32(XEN_DOMCTL.interface_version, version, true);
  view.setUint16(XEN_DOMCTL.domain, domain, true);
  privcmd.hypercall(HYPERVISOR.domctl, `getdomaininfo of domain ${domain}`, [page.address]);
  return decodeDomainInfo(view, XEN_DOMCTL.u);
}

/** Decodes struct xen_domctl_getdomaininfo at `at`. */
export function decodeDomainInfo(view: DataView, at: number): DomainInfo {
  const wide = (offset: number) => view.getBigUint64(at + offset, true);
  const start = view.byteOffset + at + GETDOMAININFO.handle;
  return {
    domain: view.getUint16(at + GETDOMAININFO.domain, true),
    flags: view.getUint32(at + GETDOMAININFO.flags, true),
    totalPages: Number(wide(GETDOMAININFO.tot_pages)),
    maxPages: Number(wide(GETDOMAININFO.max_pages)),
    sharedInfoFrame: wide(GETDOMAININFO.shared_info_frame),
    cpuTime: wide(GETDOMAININFO.cpu_time),
    onlineVcpus: view.getUint32(at + GETDOMAININFO.nr_online_vcpus, true),
    handle: new Uint8Array(view.buffer, start, 16).slice(),
  };
}

/** GNTST_bad_domain. */
const BAD_DOMAIN = -2;

function grantTableSize(privcmd: Privcmd, page: Pinned, domain: number): GrantTableSize | null {
  const view = cleared(page, GNTTAB_QUERY_SIZE.SIZE);
  view.setUint16(GNTTAB_QUERY_SIZE.dom, domain, true);
  const object = `query_size of domain ${domain}`;
  privcmd.hypercall(HYPERVISOR.grant_table_op, object, [
    SUBOP.GNTTABOP_query_size,
    page.address,
    1,
  ]);
  const status = view.getInt16(GNTTAB_QUERY_SIZE.status, true);
  if (status === BAD_DOMAIN) return null;
  if (status !== 0) throw new SyscallError("hypercall", "EPERM", `${object}: status ${status}`);
  return {
    frames: view.getUint32(GNTTAB_QUERY_SIZE.nr_frames, true),
    maxFrames: view.getUint32(GNTTAB_QUERY_SIZE.max_nr_frames, true),
  };
}

function grantTableVersion(privcmd: Privcmd, page: Pinned, domain: number): number {
  const view = cleared(page, GNTTAB_GET_VERSION.SIZE);
  view.setUint16(GNTTAB_GET_VERSION.dom, domain, true);
  privcmd.hypercall(HYPERVISOR.grant_table_op, `get_version of domain ${domain}`, [
    SUBOP.GNTTABOP_get_version,
    page.address,
    1,
  ]);
  return view.getUint32(GNTTAB_GET_VERSION.version, true);
}

function maximumGfn(privcmd: Privcmd, page: Pinned, domain: number): number {
  cleared(page, 8).setUint16(0, domain, true);
  const object = `maximum_gpfn of domain ${domain}`;
  return privcmd.hypercall(HYPERVISOR.memory_op, object, [SUBOP.XENMEM_maximum_gpfn, page.address]);
}

function populateOnDemand(privcmd: Privcmd, page: Pinned, domain: number): number {
  const view = cleared(page, XEN_POD_TARGET.SIZE);
  view.setUint16(XEN_POD_TARGET.domid, domain, true);
  const object = `get_pod_target of domain ${domain}`;
  const args = [SUBOP.XENMEM_get_pod_target, page.address];
  privcmd.hypercall(HYPERVISOR.memory_op, object, args);
  return Number(view.getBigUint64(XEN_POD_TARGET.pod_entries, true));
}

/** Values of `EventChannelStatus.status`. */
export const EVTCHNSTAT = {
  closed: 0,
  unbound: 1,
  interdomain: 2,
  pirq: 3,
  virq: 4,
  ipi: 5,
} as const;

function eventChannelStatus(
  privcmd: Privcmd,
  page: Pinned,
  domain: number,
  port: number,
): EventChannelStatus {
  const view = cleared(page, EVTCHN_STATUS.SIZE);
  view.setUint16(EVTCHN_STATUS.dom, domain, true);
  view.setUint32(EVTCHN_STATUS.port, port, true);
  const object = `event channel ${port} of domain ${domain}`;
  privcmd.hypercall(HYPERVISOR.event_channel_op, object, [SUBOP.EVTCHNOP_status, page.address]);
  const status = view.getUint32(EVTCHN_STATUS.status, true);
  const bound = status === EVTCHNSTAT.interdomain;
  return {
    status,
    remoteDomain: bound || status === EVTCHNSTAT.unbound
      ? view.getUint16(EVTCHN_STATUS.domain, true)
      : null,
    remotePort: bound ? view.getUint32(EVTCHN_STATUS.remotePort, true) : null,
  };
}

function hvmParam(privcmd: Privcmd, page: Pinned, domain: number, index: number): bigint {
  const view = cleared(page, XEN_HVM_PARAM.SIZE);
  view.setUint16(XEN_HVM_PARAM.domid, domain, true);
  view.setUint32(XEN_HVM_PARAM.index, index, true);
  const object = `HVM parameter ${index} of domain ${domain}`;
  privcmd.hypercall(HYPERVISOR.hvm_op, object, [SUBOP.HVMOP_get_param, page.address]);
  return view.getBigUint64(XEN_HVM_PARAM.value, true);
}
