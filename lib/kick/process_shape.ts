/**
 * What a pointer or a number found in a process can be: its mappings and its eventfds.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { attempt } from "../source/attempt.ts";
import { type MapsEntry, readFdLinks } from "../source/proc_maps.ts";
import { type EventfdState, parseEventfd } from "./take_eventfd.ts";
import type { ProcessShape } from "./virtqueue_struct.ts";

/** A process's mappings and eventfds at one moment. */
export interface ObservedProcess extends ProcessShape {
  /** fd number → its eventfd. */
  readonly eventfds: ReadonlyMap<number, EventfdState>;
}

/** Looks at a process. `maps` must be sorted, as the kernel writes them. */
export function observeProcess(sys: Sys, pid: number, maps: readonly MapsEntry[]): ObservedProcess {
  const eventfds = readEventfds(sys, pid);
  const at = (address: bigint) => entryAt(maps, address);
  return {
    eventfds,
    isEventfd: (fd) => eventfds.has(fd),
    isCode: (address) => {
      const entry = at(address);
      return entry !== null && entry.file !== null && !entry.writable;
    },
    isData: (address) => {
      const entry = at(address);
      return entry !== null && entry.writable && !entry.shared;
    },
  };
}

/** Every eventfd that a process has open; empty where we may not look. */
export function readEventfds(sys: Sys, pid: number): Map<number, EventfdState> {
  const eventfds = new Map<number, EventfdState>();
  for (const [fd, link] of attempt(() => readFdLinks(sys, pid)) ?? []) {
    if (link !== "anon_inode:[eventfd]") continue;
    const text = attempt(() => sys.readText(`/proc/${pid}/fdinfo/${fd}`));
    const state = text === null ? null : parseEventfd(text);
    if (state !== null) eventfds.set(fd, state);
  }
  return eventfds;
}

function entryAt(maps: readonly MapsEntry[], address: bigint): MapsEntry | null {
  let low = 0;
  let high = maps.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (address < maps[middle].start) high = middle - 1;
    else if (address >= maps[middle].end) low = middle + 1;
    else return maps[middle];
  }
  return null;
}
