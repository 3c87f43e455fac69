/**
 * What this machine allows, from the kernel to every source and every way to kick.
 *
 * @module
 */
import { openSys, type Sys } from "../../ffi/sys.ts";
import { findGuests, type Found } from "../source/attach.ts";
import type { Check, Outcome } from "./check.ts";
import { hugepages, kernel, mapFiles, memfd, sharedMemory } from "./host.ts";
import { otherProcess, ptraceScope, readSelf, takeFd } from "./process.ts";
import { kickChecks, type Known, sourceChecks } from "./sources.ts";
import { hypervisor, XEN_DEVICES, xenDevice, xenstore } from "./xen.ts";

/** Runs every check. Reads no guest memory and changes nothing. */
export async function examine(
  sys: Sys = openSys(),
  signal: AbortSignal | null = null,
): Promise<Check[]> {
  const found = await findGuests({ sys, signal });
  const names = Object.keys(XEN_DEVICES) as (keyof typeof XEN_DEVICES)[];
  const xen = Object.fromEntries(names.map((name) => [name, xenDevice(sys, name)]));
  const known: Known = {
    memfd: memfd(sys),
    shm: sharedMemory(sys),
    other: otherProcess(sys),
    takeFd: takeFd(sys),
    xen,
    guests: found.guests,
  };
  return [
    { area: "host", name: "kernel", ...kernel(sys) },
    { area: "memory", name: "memfd", ...known.memfd },
    { area: "memory", name: "/dev/shm", ...known.shm },
    { area: "memory", name: "hugepages", ...hugepages(sys) },
    { area: "memory", name: "map_files", ...mapFiles(sys) },
    { area: "process", name: "ptrace scope", ...ptraceScope(sys) },
    { area: "process", name: "process_vm_readv", ...readSelf(sys) },
    { area: "process", name: "pidfd_getfd", ...known.takeFd },
    { area: "process", name: "others", ...known.other },
    ...area("xen", { ...xen, hypervisor: hypervisor(sys), xenstore: await xenstore(sys) }),
    ...sourceChecks(sys, known),
    ...kickChecks(sys, known),
    ...guestChecks(found),
  ];
}

function area(area: Check["area"], outcomes: Readonly<Record<string, Outcome>>): Check[] {
  return Object.entries(outcomes).map(([name, outcome]) => ({ area, name, ...outcome }));
}

function guestChecks({ guests, problems }: Found): Check[] {
  const found = guests.map(({ target, name, devices, note }): Check => ({
    area: "guests",
    name: target,
    state: note === "" ? "ok" : "limited",
    detail: [name, devices.length === 1 ? "1 device" : `${devices.length} devices`]
      .filter((text) => text !== "").join(", "),
    remedy: note,
  }));
  const failed = problems.map(({ scheme, text }): Check => ({
    area: "guests",
    name: scheme,
    state: "missing",
    detail: text,
    remedy: "",
  }));
  const none: Check = {
    area: "guests",
    name: "any",
    state: "absent",
    detail: "no guest was found",
    remedy: "`guestmem demo` starts one to try things on",
  };
  return found.length + failed.length === 0 ? [none] : [...found, ...failed];
}
