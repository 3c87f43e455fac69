/**
 * `xen:DOMID`: a domain of the Xen host that this is dom0 of.
 *
 * @module
 */
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { Guest } from "../guest/guest.ts";
import { readXenDevices } from "../xen/devices.ts";
import {
  DOMINF,
  openXenHost,
  parseDomain,
  stateName,
  tryDomainInfo,
  tryDomains,
  type XenHost,
} from "../xen/host.ts";
import { openStore, type Xenstore } from "../xen/store.ts";
import { hasXen } from "./has_xen.ts";
import type { AttachOptions, Source } from "./source.ts";
import { attachXen } from "./xen_attachment.ts";
import { commonDevice } from "./xen_devices.ts";

/** `xen:DOMID` */
export const xenSource: Source = {
  scheme: "xen",
  summary: "a Xen domain: its memory, and the shared rings that xenstore names",
  find: findDomains,
  attach: async (target, options) => await attachXen(parseDomain(target.what), target, options),
};

/** Domains beyond this are not listed: no host has as many. */
const DOMAIN_LIMIT = 4096;

/** Every domain but our own. Where there is no Xen at all there is nothing to say about it. */
async function findDomains(options: AttachOptions): Promise<Guest[]> {
  if (!hasXen(options.sys)) return [];
  using store = openStore({ sys: options.sys });
  using host = hostOrNull(options);
  const names = (await store.list("/local/domain") ?? []).filter((id) => /^[0-9]{1,5}$/.test(id));
  const ids = names.slice(0, DOMAIN_LIMIT).map(Number).sort((a, b) => a - b);
  const guests: Guest[] = [];
  for (const id of ids) if (id !== 0) guests.push(await listed(store, host, id));
  return [...guests, ...host === null ? [] : forgotten(host, new Set([0, ...ids]))];
}

/** Ids above those of xenstore that are asked for: a domain that was destroyed had one of them. */
const IDS_BEHIND = 1024;

/** Domains that xenstore has forgotten: zombies above all, which `xl list` calls (null). */
function forgotten(host: XenHost, known: ReadonlySet<number>): Guest[] {
  const left = tryDomains(host, Math.max(...known) + IDS_BEHIND)
    .filter(({ domain }) => !known.has(domain));
  return left.slice(0, DOMAIN_LIMIT).map(({ domain, flags, totalPages }): Guest => ({
    target: `xen:${domain}`,
    name: "",
    kind: "xen",
    pid: null,
    state: stateName(flags),
    memory: BigInt(totalPages) * 4096n,
    devices: [],
    note: (flags & DOMINF.dying) === 0
      ? "not in xenstore"
      : "destroyed; somebody still has pages of it mapped",
  }));
}

/** Names and devices come from xenstore; state and memory only with the hypervisor's own word. */
function hostOrNull({ sys, log }: AttachOptions): XenHost | null {
  try {
    return openXenHost(sys, false);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    log(error.message);
    return null;
  }
}

async function listed(store: Xenstore, host: XenHost | null, domain: number): Promise<Guest> {
  const info = host === null ? null : tryDomainInfo(host, domain);
  const { devices, note } = await devicesOf(store, domain);
  return {
    target: `xen:${domain}`,
    name: await store.read(`/local/domain/${domain}/name`) ?? "",
    kind: "xen",
    pid: null,
    state: info === null ? "" : stateName(info.flags),
    memory: info === null ? null : BigInt(info.totalPages) * 4096n,
    devices,
    note,
  };
}

async function devicesOf(store: Xenstore, domain: number) {
  try {
    const found = await readXenDevices(store, domain);
    return { devices: found.map((device) => commonDevice(domain, device, null)), note: "" };
  } catch (error) {
    if (!(error instanceof Error) || isSyscallFailure(error)) throw error;
    return { devices: [], note: error.message };
  }
}
