/**
 * The devices by which dom0 reaches its domains.
 *
 * @module
 */
import { O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import { attempt } from "../source/attempt.ts";
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
