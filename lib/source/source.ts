/**
 * A scheme's finder and attacher. A newcomer who adds a hypervisor writes one of these and one line
 * in `registry.ts`.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import type { Device, Guest, Queue } from "../guest/guest.ts";
import type { Target } from "../guest/target.ts";
import type { Kick, KickSide } from "../kick/kick.ts";
import type { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import type { RegionTable } from "../memory/region_table.ts";
import type { LayoutMemory } from "./layout.ts";
import type { Holder } from "../session/holder.ts";

/** What the caller of attach wants. */
export interface AttachOptions {
  /**
   * The system calls.
   *
   * @internal
   */
  readonly sys: Sys;
  /** Asks for writable mappings. Without it every fd is O_RDONLY and every mapping PROT_READ. */
  readonly write: boolean;
  /** Layout file, for sources whose target does not say where memory and rings are. */
  readonly layout: string | null;
  /** Of a Xen domain these grants or frames alone, mapped until the end. Absent or null: its memory. */
  readonly part?: DomainPart | null;
  /** For a scan alone: where a process does not say where its memory is, guess. Absent: false. */
  readonly guess?: boolean;
  /** Ends slow work: a silent monitor, a large scan. */
  readonly signal: AbortSignal | null;
  /** `--verbose`: which path was taken and why. */
  readonly log: (line: string) => void;
  /** What a person who waits has to know now. Absent: goes to `log`. */
  readonly notice?: (line: string) => void;
  /**
   * What this process holds for the script it runs: `NAME@this`. Absent elsewhere.
   *
   * @internal
   */
  readonly session?: Pick<Holder, "session" | "get"> | null;
}

/** What the caller of find wants. */
export interface FindGuestsOptions extends AttachOptions {
  /** Whether a guest's devices are wanted: where asking for them is slow, others may go without. */
  readonly devicesOf?: (target: string) => boolean;
}

/** Grants or frames of a Xen domain. */
export interface DomainPart {
  /** `frames` are the guest's own numbers, `machine-frames` the machine's. */
  readonly kind: "grants" | "frames" | "machine-frames";
  /** `8,9,10-20`: see `parseNumberList`. */
  readonly list: string;
}

/** A guest's memory and rings, held until disposed. Close order is the reverse of opening. */
export interface Attachment extends AsyncDisposable {
  /** What was attached. */
  readonly target: Target;
  /** Where `target` names something held by a session: the target that was mapped there. */
  readonly origin?: string;
  /** The process that serves the guest, where the target does not name it. */
  readonly pid?: number;
  /** `memory` is found at its first use, which may take seconds, or throw. */
  readonly lazy?: true;
  /**
   * All of its memory, for reading. A refresh may put a new one in its place; the one before can be
   * read until the refresh after.
   */
  readonly memory: GuestMemory;
  /**
   * How a layout names this memory, where it is that of a process or domain: see `layout.ts`.
   *
   * @internal
   */
  readonly layoutMemory?: readonly LayoutMemory[];
  /** null unless attached with `write`. */
  readonly writable: WritableGuestMemory | null;
  /** Every device, also those whose rings can not be read. */
  readonly devices: readonly Device[];
  /** What of its memory was left out or is doubtful, a sentence each; absent or empty: nothing. */
  readonly warnings?: readonly string[];
  /** Why devices are not known, and the remedy; empty or absent where they are. */
  readonly note?: string;
  /**
   * Reads devices and rings again; a changed memory layout gives a new table. Throws `SourceError`
   * when the guest is gone.
   */
  refresh(): Promise<void>;
  /** Way to talk to the guest's monitor, where there is one: for kicks of last resort. */
  readonly monitor?: Monitor;
  /** Ways to notify a queue that only this source knows, best first: `kicksOf` has all. Sends nothing. */
  kicks?(device: Device, queue: Queue, side: KickSide): readonly Kick[];
  /** Interrupts that reach ourselves, where others can send us some (ivshmem). */
  readonly interrupts?: Interrupts;
}

/** Interrupts sent to us, counted from the attach on. */
export interface Interrupts {
  /** How often each vector was rung, by vector. Rings that came together count as one or more. */
  readonly counts: readonly bigint[];
  /** Resolves once a count has grown beyond `seen`, or after `timeoutMs`. */
  wait(seen: readonly bigint[], timeoutMs: number): Promise<void>;
}

/** A command channel into the VMM. */
export interface Monitor {
  /** Runs a command and gives what it returns. Throws `SourceError` where the answer is an error. */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
}

/** One scheme. */
export interface Source {
  /** The word before the colon of its targets. */
  readonly scheme: string;
  /** One line for the manual. */
  readonly summary: string;
  /** What it attaches is one moment of a guest, a dump: looking at it twice tells nothing more. */
  readonly still?: true;
  /** Guests of this kind on this host, with no configuration. Absent where nothing can be found. */
  find?(options: FindGuestsOptions): Promise<Guest[]>;
  /** Throws `SourceError`, or a `SyscallError` from ffi. */
  attach(target: Target, options: AttachOptions): Promise<Attachment>;
}

/** Re-exported for implementers. */
export type { Device, Guest, RegionTable, Target };
