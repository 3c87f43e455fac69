/**
 * The kernel, memory and what of it can be shared and mapped.
 *
 * @module
 */
import {
  F_SEAL_SHRINK,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  O_RDONLY,
  PROT_READ,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure } from "../errors.ts";
import { attempt } from "../source/attempt.ts";
import { absent, good, limited, missing, type Outcome, tried } from "./check.ts";

/** Release, architecture, page size and who we are. */
export function kernel(sys: Sys): Outcome {
  const release = attempt(() => sys.readText("/proc/sys/kernel/osrelease").trim());
  const who = sys.uid === 0 ? "root" : `uid ${sys.uid}`;
  const text = `Linux ${release ?? "of unknown release"}, ${Deno.build.arch}`;
  return good(`${text}, pages of ${sys.pageSize}, ${who}`);
}

/** Memory that can be shared, sealed and mapped: what RAM files and our own guests are. */
export function memfd(sys: Sys): Outcome {
  return tried("a shared memory file was made, sealed and mapped", () => {
    using fd = new Fd(sys, sys.memfd("guestmem-doctor", MFD_ALLOW_SEALING));
    sys.ftruncate(fd.number, sys.pageSize);
    sys.addSeals(fd.number, F_SEAL_SHRINK);
    sys.munmap(sys.mmap(sys.pageSize, PROT_READ, MAP_SHARED, fd.number, 0), sys.pageSize);
  });
}

/** What `shm:` names. */
export function sharedMemory(sys: Sys): Outcome {
  try {
    const count = sys.readdir("/dev/shm").length;
    return good(`can be listed: ${count} ${count === 1 ? "entry" : "entries"}`);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    return missing(error.message, "mount a tmpfs there: mount -t tmpfs tmpfs /dev/shm");
  }
}

/** Reserved huge pages of every size, and a file system for them. */
export function hugepages(sys: Sys): Outcome {
  const folder = "/sys/kernel/mm/hugepages";
  const sizes = (attempt(() => sys.readdir(folder)) ?? []).flatMap((name) => {
    const count = attempt(() => sys.readText(`${folder}/${name}/nr_hugepages`).trim()) ?? "0";
    return count === "0" ? [] : [`${count} of ${name.replace(/^hugepages-/, "")}`];
  });
  const mounts = attempt(() => sys.readText("/proc/self/mounts")) ?? "";
  const mounted = /^\S+ \S+ hugetlbfs /m.test(mounts);
  if (sizes.length === 0) {
    return absent("none reserved", "only for guests on huge pages: sysctl vm.nr_hugepages=N");
  }
  const text = sizes.join(", ");
  if (mounted) return good(`${text}; hugetlbfs is mounted`);
  return limited(`${text}; no hugetlbfs`, "mount -t hugetlbfs hugetlbfs /dev/hugepages");
}

/** Needed where a VMM closed the file behind its memory: Linux wants CAP_CHECKPOINT_RESTORE. */
export function mapFiles(sys: Sys): Outcome {
  const folder = "/proc/self/map_files";
  try {
    const [name] = sys.readdir(folder);
    new Fd(sys, sys.open(`${folder}/${name}`, O_RDONLY)).close();
    return good("mapped files of processes can be opened");
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const remedy = error.errno === "ENOENT"
      ? "a kernel with CONFIG_CHECKPOINT_RESTORE"
      : "for back-ends that closed their memory's fd: run as root";
    return limited(error.message, remedy);
  }
}
