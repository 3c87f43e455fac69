/**
 * Every source, a few lines each. A source's file is loaded when a target wants it, and not before:
 * a dump of a file needs nothing of what a live QEMU takes.
 *
 * @module
 */
import type { Source } from "./source.ts";

/** A scheme, and where its source is. */
export interface SourceEntry {
  readonly scheme: Source["scheme"];
  load(): Promise<Source>;
}

/** In the order of the manual. */
export const SOURCES: readonly SourceEntry[] = [
  { scheme: "file", load: async () => (await import("./file.ts")).fileSource },
  { scheme: "shm", load: async () => (await import("./file.ts")).shmSource },
  { scheme: "core", load: async () => (await import("./core.ts")).coreSource },
  { scheme: "qemu", load: async () => (await import("./qemu.ts")).qemuSource },
  { scheme: "proc", load: async () => (await import("./proc.ts")).procSource },
  { scheme: "vhost", load: async () => (await import("./vhost.ts")).vhostSource },
  { scheme: "xen", load: async () => (await import("./xen.ts")).xenSource },
  { scheme: "ivshmem", load: async () => (await import("./ivshmem.ts")).ivshmemSource },
  { scheme: "pci", load: async () => (await import("./pci.ts")).pciSource },
  { scheme: "mmio", load: async () => (await import("./mmio.ts")).mmioSource },
  { scheme: "session", load: async () => (await import("./session.ts")).sessionSource },
];

/** The source of a scheme, or null where there is none. */
export async function sourceFor(scheme: string): Promise<Source | null> {
  return await SOURCES.find((source) => source.scheme === scheme)?.load() ?? null;
}
