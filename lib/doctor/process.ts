/**
 * What may be done to other processes: tried on ourselves, and on the process that started us.
 *
 * @module
 */
import { MAP_SHARED, PROT_READ } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import { attempt } from "../source/attempt.ts";
import { good, limited, type Outcome, tried } from "./check.ts";

const PTRACE = "for the memory and eventfds of a VMM: run as its user or as root";

/** yama's setting (Documentation/admin-guide/LSM/Yama.rst). What it comes to is tried below. */
export function ptraceScope(sys: Sys): Outcome {
  const scope = attempt(() => sys.readText("/proc/sys/kernel/yama/ptrace_scope").trim());
  if (scope === null) return good("the kernel has no yama: processes of the same user may be read");
  const detail = `kernel.yama.ptrace_scope is ${scope}`;
  if (scope === "0" || sys.uid === 0 && scope !== "3") return good(detail);
  const remedy = scope === "3" ? "a reboot without it" : "sysctl kernel.yama.ptrace_scope=0";
  return limited(`${detail}: only children may be read`, `${PTRACE}, or ${remedy}`);
}

/** Own memory by process_vm_readv: whether the call is there at all. */
export function readSelf(sys: Sys): Outcome {
  return tried("own memory was read", () => {
    using fd = new Fd(sys, sys.memfd("guestmem-doctor", 0));
    sys.ftruncate(fd.number, sys.pageSize);
    const address = sys.mmap(sys.pageSize, PROT_READ, MAP_SHARED, fd.number, 0);
    try {
      sys.processVmReadv(sys.pid, address, new Uint8Array(8));
    } finally {
      sys.munmap(address, sys.pageSize);
    }
  });
}

/** An fd of our own by pidfd_getfd: whether the call is there at all. */
export function takeFd(sys: Sys): Outcome {
  return tried("an own fd was taken", () => {
    using own = new Fd(sys, sys.eventfd(0, 0));
    using process = new Fd(sys, sys.pidfdOpen(sys.pid));
    new Fd(sys, sys.pidfdGetfd(process.number, own.number)).close();
  });
}

/**
 * Another process: eight bytes of the one that started us, and its first fd. What is refused there is
 * refused for a VMM that runs as that user, too.
 */
export function otherProcess(sys: Sys): Outcome {
  const parent = parentOf(sys);
  if (parent === null) return limited("nobody to try it on: no process started us", "");
  const name = `process ${parent}, which started us`;
  try {
    const start = /^([0-9a-f]+)-[0-9a-f]+ r/m.exec(sys.readText(`/proc/${parent}/maps`));
    if (start === null) return limited(`${name}, has no memory to be tried on`, "");
    sys.processVmReadv(parent, BigInt(`0x${start[1]}`), new Uint8Array(8));
    using pidfd = new Fd(sys, sys.pidfdOpen(parent));
    const [fd] = sys.readdir(`/proc/${parent}/fd`);
    if (fd !== undefined) new Fd(sys, sys.pidfdGetfd(pidfd.number, Number(fd))).close();
    return good(`${name}: memory was read, an fd taken`);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    return limited(`${name}: ${error.message}`, PTRACE);
  }
}

/** Field 4 of /proc/PID/stat (proc_pid_stat(5)); null for none in our pid namespace. */
function parentOf(sys: Sys): number | null {
  const text = attempt(() => sys.readText(`/proc/${sys.pid}/stat`)) ?? "";
  const parent = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]);
  return Number.isInteger(parent) && parent > 0 ? parent : null;
}
