/**
 * The devices by which dom0 reaches its domains, and whether the hypervisor and xenstore answer.
 *
 * @module
 */
import { O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import { attempt } from "../source/attempt.ts";
import { hasXen } from "../source/has_xen.ts";
import { domainInfo, explained, openXenHost } from "../xen/host.ts";
import { openStore } from "../xen/store.ts";
import { absent, good, missing, type Outcome } from "./check.ts";

/** What each is for, by its name under /dev/xen. */
export const XEN_DEVICES = {
  privcmd: "foreign frames",
  gntdev: "mapping grants",
  gntalloc: "offering grants",
  evtchn: "event channels",
  xenbus: "xenstore",
} as const;

const REMEDY = "for xen: targets boot Xen and run in dom0, with its modules xen-privcmd, " +
  "xen-gntdev, xen-gntalloc, xen-evtchn and the file system xenfs";

/** Opens one; nothing is asked of it. */
export function xenDevice(sys: Sys, name: keyof typeof XEN_DEVICES): Outcome {
  const device = `/dev/xen/${name}`;
  if (attempt(() => sys.stat(device)) === null) return absent(`no ${device}`, REMEDY);
  try {
    // evtchn has nothing to read without a port; the rest is opened as it is used.
    new Fd(sys, sys.open(device, name === "evtchn" ? O_RDONLY : O_RDWR)).close();
    return good(`${device} can be opened: ${XEN_DEVICES[name]}`);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    return missing(error.message, "run as root");
  }
}

/** Asks for dom0's own state: only a domain that may ask of all, with a version that is known, can. */
export function hypervisor(sys: Sys): Outcome {
  if (!hasXen(sys)) return absent("this is no domain of Xen that has privcmd", REMEDY);
  try {
    using host = openXenHost(sys, false);
    const release = explained("ask version", () => host.calls.version());
    domainInfo(host, 0);
    return good(`Xen ${release}, domctl interface 0x${host.calls.domctlVersion?.toString(16)}`);
  } catch (error) {
    return refusal(error);
  }
}

/** Lists the domains that xenstore knows. */
export async function xenstore(sys: Sys): Promise<Outcome> {
  if (!hasXen(sys)) return absent("no Xen, no xenstore", REMEDY);
  try {
    using store = openStore({ sys });
    const domains = await store.list("/local/domain") ?? [];
    return good(`${domains.length} domains, by ${store.name}`);
  } catch (error) {
    return refusal(error);
  }
}

/** What the library throws says what is wrong and what to do. */
function refusal(error: unknown): Outcome {
  if (!(error instanceof SourceError)) throw error;
  return missing(error.message, error.remedy);
}
