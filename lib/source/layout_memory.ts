/**
 * Guest memory and rings as a layout describes them.
 *
 * @module
 */
import { guestAddress, userAddress } from "../address.ts";
import { ProtocolError } from "../errors.ts";
import { GuestMemory, WritableGuestMemory } from "../memory/guest_memory.ts";
import type { Backing } from "../memory/backing.ts";
import type { Region } from "../memory/region.ts";
import { RegionTable } from "../memory/region_table.ts";
import { Generations } from "./generations.ts";
import { type Layout, layoutDevices, type LayoutMemory } from "./layout.ts";
import type { Attachment, Device, Target } from "./source.ts";

/** Opens the bytes behind an entry and keeps them open until the attachment is disposed. */
export type OpenBytes = (entry: LayoutMemory, resources: DisposableStack) => Backing;

/** What an attachment by layout is made of. */
export interface LayoutAttachmentOptions {
  readonly target: Target;
  readonly write: boolean;
  /** For people: what the memory is called in errors. */
  readonly name: string;
  /** The process whose fd numbers the layout gives; null where it gives none. */
  readonly pid: number | null;
  /** Reads the layout, at attach and at each refresh; the same object where it has not changed. */
  readonly load: () => Layout;
  readonly open: OpenBytes;
  /** What is doubtful about it; see `Attachment.warnings`. */
  readonly warnings?: readonly string[];
  /** What else is to be disposed with the attachment, or at once if attaching fails. */
  readonly resources?: DisposableStack;
}

/**
 * Attaches what a layout describes. Throws `ProtocolError` where the layout is wrong and what `load`
 * and `open` throw; nothing stays open then. A refresh reads the layout again; memory that another
 * takes the place of stays mapped until the refresh after, for who is reading it.
 */
export function attachLayout(options: LayoutAttachmentOptions): Attachment {
  using undo = new DisposableStack();
  if (options.resources !== undefined) undo.use(options.resources);
  const held = undo.use(new Generations<OpenedMemory>());
  let layout = options.load();
  held.put(openMemory(options, layout.memory));
  let devices: Device[] = layoutDevices(layout, options.pid);
  const resources = undo.move();
  return {
    target: options.target,
    get memory() {
      return held.now.memory;
    },
    get writable() {
      const { memory } = held.now;
      return memory instanceof WritableGuestMemory ? memory : null;
    },
    get layoutMemory() {
      return layout.memory;
    },
    warnings: options.warnings ?? [],
    get devices() {
      return devices;
    },
    // deno-lint-ignore require-await
    async refresh() {
      held.forget();
      const fresh = options.load();
      if (fresh === layout) return;
      if (shape(fresh) !== shape(layout)) held.put(openMemory(options, fresh.memory));
      devices = layoutDevices(fresh, options.pid);
      layout = fresh;
    },
    // deno-lint-ignore require-await
    async [Symbol.asyncDispose]() {
      resources.dispose();
    },
  };
}

interface OpenedMemory extends Disposable {
  readonly memory: GuestMemory;
}

/** Regions of a layout, over bytes that are opened once per file. Where one fails, all are closed. */
function openMemory(
  { open, write, name }: LayoutAttachmentOptions,
  entries: readonly LayoutMemory[],
): OpenedMemory {
  using resources = new DisposableStack();
  const backings = new Map<string, Backing>();
  const regions = entries.map((entry): Region => {
    const backing = backings.get(keyOf(entry)) ?? open(entry, resources);
    backings.set(keyOf(entry), backing);
    checkFits(entry, backing);
    return {
      guest: guestAddress(entry.gpa),
      length: entry.size,
      backing,
      offset: entry.offset,
      access: write ? "rw" : "ro",
      name: nameOf(entry),
      user: entry.user === null ? null : userAddress(entry.user),
    };
  });
  const table = new RegionTable(regions);
  const memory = write ? new WritableGuestMemory(table, name) : new GuestMemory(table, name);
  const owned = resources.move();
  return { memory, [Symbol.dispose]: () => owned.dispose() };
}

/** What `map` calls the region: its own name, the file's without its folder, or where it came from. */
function nameOf({ bytes, name, path }: LayoutMemory): string {
  if (name !== "") return name;
  if (bytes.kind === "file") return bytes.path.slice(bytes.path.lastIndexOf("/") + 1);
  return bytes.kind === "memfd" ? bytes.name : path;
}

/** Process memory is opened per entry, everything else once per file. */
function keyOf({ bytes, size }: LayoutMemory): string {
  const key = bytes.kind === "address" ? [bytes.kind, bytes.address, size] : Object.values(bytes);
  return key.join(" ");
}

function shape(layout: Layout): string {
  return layout.memory.map((entry) => [keyOf(entry), entry.gpa, entry.size, entry.offset].join())
    .join();
}

/** A layout may say that a file is longer than it is. */
function checkFits(entry: LayoutMemory, backing: Backing): void {
  const rest = BigInt(backing.length) - BigInt(entry.offset);
  if (entry.size <= rest) return;
  const [field, wanted, got] = rest <= 0n
    ? ["offset", `less than ${backing.length}`, String(entry.offset)]
    : ["size", `at most ${rest}`, String(entry.size)];
  const why = `${wanted} (${backing.label} has ${backing.length} bytes)`;
  throw new ProtocolError("layout", `${entry.path}.${field}`, why, got);
}
