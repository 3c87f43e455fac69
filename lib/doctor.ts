/**
 * What this machine allows. Each check does the thing itself, on ourselves, instead of guessing from
 * versions and settings.
 *
 * @module
 */
import { MAP_SHARED, O_RDONLY, PROT_READ } from "../ffi/constants.ts";
import { Fd } from "../ffi/fd.ts";
import { openSys, type Sys } from "../ffi/sys.ts";
import { isSyscallFailure } from "./errors.ts";
import { findGuests } from "./source/attach.ts";

/** `limited`: works, but not for everything. `absent`: not there, and only some need it. */
export type CheckState = "ok" | "limited" | "missing" | "absent";

/** One line of the doctor's table. */
export interface Check {
  readonly area: "host" | "memory" | "process" | "xen" | "guests";
  readonly name: string;
  readonly state: CheckState;
  /** What was seen. */
  readonly detail: string;
  /** What to do about it; empty where all is well. */
  readonly remedy: string;
}

type Outcome = Omit<Check, "area" | "name">;

/** Runs every check. Reads no guest memory and changes nothing. */
export async function examine(
  sys: Sys = openSys(),
  signal: AbortSignal | null = null,
): Promise<Check[]> {
  return [
    { area: "host", name: "kernel", ...kernel(sys) },
    { area: "memory", name: "memfd", ...attempt("a shared memory file was made", memfd(sys)) },
    { area: "memory", name: "/dev/shm", ...path(sys, "/dev/shm", "mount a tmpfs there") },
    { area: "memory", name: "hugepages", ...hugepages(sys) },
    { area: "memory", name: "map_files", ...mapFiles(sys) },
    { area: "process", name: "ptrace scope", ...ptraceScope(sys) },
    { area: "process", name: "process_vm_readv", ...attempt("own memory was read", readSelf(sys)) },
    { area: "process", name: "pidfd_getfd", ...attempt("an own fd was taken", takeFd(sys)) },
    ...XEN.map((name): Check => ({ area: "xen", name, ...xenDevice(sys, name) })),
    ...await guests(sys, signal),
  ];
}

function good(detail: string): Outcome {
  return { state: "ok", detail, remedy: "" };
}

/** Runs a check that throws where something is missing. */
function attempt(detail: string, run: () => void): Outcome {
  try {
    run();
    return good(detail);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const remedy = error.errno === "ENOSYS"
      ? "needs Linux 5.6 or later"
      : "allow the call in the container's seccomp profile";
    return { state: "missing", detail: error.message, remedy };
  }
}

function text(sys: Sys, path: string): string | null {
  try {
    return sys.readText(path, 1 << 16).trim();
  } catch (error) {
    if (isSyscallFailure(error)) return null;
    throw error;
  }
}

function kernel(sys: Sys): Outcome {
  const release = text(sys, "/proc/sys/kernel/osrelease") ?? "an unknown kernel";
  const who = sys.uid === 0 ? "root" : `uid ${sys.uid}`;
  return good(`Linux ${release}, ${Deno.build.arch}, pages of ${sys.pageSize}, ${who}`);
}

function memfd(sys: Sys): () => void {
  return () => new Fd(sys, sys.memfd("guestmem-doctor", 0)).close();
}

function path(sys: Sys, name: string, remedy: string): Outcome {
  try {
    sys.stat(name);
    return good("there");
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    return { state: "missing", detail: error.message, remedy };
  }
}

function hugepages(sys: Sys): Outcome {
  const total = Number(text(sys, "/proc/sys/vm/nr_hugepages") ?? 0);
  if (total > 0) return good(`${total} of the default size`);
  const remedy = "only for guests on hugetlbfs: sysctl vm.nr_hugepages=N";
  return { state: "absent", detail: "none reserved", remedy };
}

/** Needed where a VMM closed the file behind its memory: Linux wants CAP_CHECKPOINT_RESTORE. */
function mapFiles(sys: Sys): Outcome {
  const folder = "/proc/self/map_files";
  try {
    const [name] = sys.readdir(folder);
    new Fd(sys, sys.open(`${folder}/${name}`, O_RDONLY)).close();
    return good("mapped files of processes can be opened");
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const remedy = "for back-ends that closed their memory's fd: run as root";
    return { state: "limited", detail: error.message, remedy };
  }
}

function ptraceScope(sys: Sys): Outcome {
  const scope = text(sys, "/proc/sys/kernel/yama/ptrace_scope");
  if (scope === null || scope === "0") return good("processes of the same user may be read");
  const detail = `kernel.yama.ptrace_scope is ${scope}`;
  if (sys.uid === 0 && scope !== "3") return good(`${detail}; root may read all`);
  const remedy = "for private memory and eventfds of a VMM: run as root, or sysctl " +
    "kernel.yama.ptrace_scope=0";
  return { state: "limited", detail, remedy };
}

function readSelf(sys: Sys): () => void {
  return () => {
    using fd = new Fd(sys, sys.memfd("guestmem-doctor", 0));
    sys.ftruncate(fd.number, sys.pageSize);
    const address = sys.mmap(sys.pageSize, PROT_READ, MAP_SHARED, fd.number, 0);
    try {
      sys.processVmReadv(sys.pid, address, new Uint8Array(8));
    } finally {
      sys.munmap(address, sys.pageSize);
    }
  };
}

function takeFd(sys: Sys): () => void {
  return () => {
    using own = new Fd(sys, sys.eventfd(0, 0));
    using process = new Fd(sys, sys.pidfdOpen(sys.pid));
    new Fd(sys, sys.pidfdGetfd(process.number, own.number)).close();
  };
}

const XEN = ["privcmd", "gntdev", "gntalloc", "evtchn", "xenbus"] as const;

function xenDevice(sys: Sys, name: string): Outcome {
  const device = `/dev/xen/${name}`;
  try {
    sys.stat(device);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const remedy = "for xen: targets run in dom0, with the module xen-" + name;
    return { state: "absent", detail: `no ${device}`, remedy };
  }
  try {
    new Fd(sys, sys.open(device, O_RDONLY)).close();
    return good(`${device} can be opened`);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    return { state: "missing", detail: error.message, remedy: "run as root" };
  }
}

async function guests(sys: Sys, signal: AbortSignal | null): Promise<Check[]> {
  const { guests, problems } = await findGuests({ sys, signal });
  const found = guests.map(({ target, name, devices, note }): Check => ({
    area: "guests",
    name: target,
    state: note === "" ? "ok" : "limited",
    detail: note === "" ? `${name}: ${devices.length} devices` : name,
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
