/**
 * Every source, a few lines each. A source's file is loaded when a target wants it, and not before:
 * a dump of a file needs nothing of what a live QEMU takes.
 *
 * @module
 */
import type { Source } from "./source.ts";

/**
 * Loads a file beside this one. Deno reads every file that an `import()` names before it runs
 * anything, and all of theirs; a name that it can not see is only read when it is asked for.
 */
function file<T>(path: string): Promise<T> {
  return import(path);
}

/** A scheme, and where its source is. */
export interface SourceEntry {
  readonly scheme: Source["scheme"];
  load(): Promise<Source>;
}

/** In the order of the manual. */
export const SOURCES: readonly SourceEntry[] = [
  {
    scheme: "file",
    load: async () => (await file<typeof import("./file.ts")>("./file.ts")).fileSource,
  },
  {
    scheme: "shm",
    load: async () => (await file<typeof import("./file.ts")>("./file.ts")).shmSource,
  },
  {
    scheme: "core",
    load: async () => (await file<typeof import("./core.ts")>("./core.ts")).coreSource,
  },
  {
    scheme: "qemu",
    load: async () => (await file<typeof import("./qemu.ts")>("./qemu.ts")).qemuSource,
  },
  {
    scheme: "proc",
    load: async () => (await file<typeof import("./proc.ts")>("./proc.ts")).procSource,
  },
  {
    scheme: "vhost",
    load: async () => (await file<typeof import("./vhost.ts")>("./vhost.ts")).vhostSource,
  },
  {
    scheme: "xen",
    load: async () => (await file<typeof import("./xen.ts")>("./xen.ts")).xenSource,
  },
  {
    scheme: "ivshmem",
    load: async () => (await file<typeof import("./ivshmem.ts")>("./ivshmem.ts")).ivshmemSource,
  },
  {
    scheme: "pci",
    load: async () => (await file<typeof import("./pci.ts")>("./pci.ts")).pciSource,
  },
  {
    scheme: "mmio",
    load: async () => (await file<typeof import("./mmio.ts")>("./mmio.ts")).mmioSource,
  },
  {
    scheme: "ccw",
    load: async () => (await file<typeof import("./ccw.ts")>("./ccw.ts")).ccwSource,
  },
  {
    scheme: "session",
    load: async () => (await file<typeof import("./session.ts")>("./session.ts")).sessionSource,
  },
];

/** The source of a scheme, or null where there is none. */
export async function sourceFor(scheme: string): Promise<Source | null> {
  return await SOURCES.find((source) => source.scheme === scheme)?.load() ?? null;
}
