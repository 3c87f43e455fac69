/**
 * Mapped 4 KiB frames of another domain, each with its own outcome. A frame that could not be mapped
 * is unreadable with its errno and is never touched: a load from it would be SIGBUS.
 *
 * Satisfies lib's `Backing` structurally, and `WritableBacking` when made writable.
 *
 * @module
 */
import { errnoCode, errnoName } from "../errno.ts";
import type { Guarded } from "../scratch.ts";
import type { Sys } from "../sys.ts";
import { FRAME_SIZE } from "./layout.ts";

/** errno of every frame after the frames were unmapped. */
const CLOSED = errnoCode("EBADF");

/** One mmap of ours, and the only buffer over it. */
export interface Area {
  readonly address: bigint;
  /** Bytes. */
  readonly length: number;
}

/** What {@linkcode ownFrames} takes over. */
export interface FrameParts {
  readonly label: string;
  readonly areas: readonly Area[];
  /** Address of each frame in this process; 0 where it is not mapped. */
  readonly addresses: Float64Array;
  /** errno of each frame as a number; 0 where it is mapped. */
  readonly errors: Int32Array;
  /** Runs after the last munmap: gives back what the kernel keeps beside the mapping. */
  readonly release?: () => void;
}

/** Frames mapped read-only. Offsets are bytes from the first frame, failed frames included. */
export interface Frames extends Disposable {
  /** Bytes: 4096 for each frame asked for. */
  readonly length: number;
  readonly label: string;
  readonly pageSize: number;
  /** Frames asked for. */
  readonly count: number;
  /** Frames that could not be mapped. */
  readonly failed: number;
  /** errno by name of frame `index`; null where it is mapped. */
  errnoOf(index: number): string | null;
  /** Copies from `offset` until `target` is full or a frame that is not mapped begins. */
  copy(offset: number, target: Uint8Array): Guarded;
  /** The memory itself where all of a range is mapped, in one mmap; else null. */
  live(offset: number, length: number): ArrayBuffer | null;
  nextData(offset: number): { start: number; end: number } | null;
  /** Offsets of `pattern` in a range, found in place; null where not all of it is mapped in one mmap. */
  find(offset: number, length: number, pattern: Uint8Array): number[] | null;
}

/** Frames mapped for reading and writing. */
export interface WritableFrames extends Frames {
  store(offset: number, source: Uint8Array): Guarded;
  liveWritable(): ArrayBuffer | null;
}

/** Frames that may be read, over mappings that disposing them unmaps. */
export function ownFrames(sys: Sys, parts: FrameParts): Frames {
  const { addresses, errors, label } = parts;
  const length = addresses.length * FRAME_SIZE;
  const view = liveView(sys, parts);
  return {
    length,
    label,
    pageSize: FRAME_SIZE,
    count: addresses.length,
    failed: countFailed(errors),
    errnoOf: (index) => errors[index] === 0 ? null : errnoName(errors[index]),
    copy: (offset, target) => moveFrames(parts, offset, target, outOf(sys, view)),
    live: (offset, size) => allMapped(errors, offset, size) ? view.buffer() : null,
    nextData: (offset) => offset < length ? { start: Math.max(0, offset), end: length } : null,
    find: (offset, size, pattern) =>
      view.single && allMapped(errors, offset, size)
        ? findAll(sys, parts.areas[0].address, { offset, size, pattern })
        : null,
    [Symbol.dispose]: () => close(sys, parts, view),
  };
}

/** Every match, overlapping ones too. */
function findAll(
  sys: Sys,
  base: bigint,
  { offset, size, pattern }: { offset: number; size: number; pattern: Uint8Array },
): number[] {
  const found: number[] = [];
  const end = offset + size;
  for (let at = offset; at + pattern.length <= end;) {
    const hit = sys.find(base + BigInt(at), end - at, pattern);
    if (hit < 0) break;
    found.push(at + hit);
    at += hit + 1;
  }
  return found;
}

function countFailed(errors: Int32Array): number {
  let failed = 0;
  for (let i = 0; i < errors.length; i++) if (errors[i] !== 0) failed++;
  return failed;
}

/**
 * Copies in place where one mmap holds the frames in order. A frame that is mapped stays so until we
 * unmap it, whatever becomes of its domain: Xen keeps the page for us.
 */
function outOf(sys: Sys, view: LiveView): Copy {
  return (address, target, offset) => {
    const worth = view.made || target.length >= VIEW_WORTH;
    const buffer = worth ? view.buffer() : null;
    if (buffer === null) return sys.copyOut(address, target);
    target.set(new Uint8Array(buffer, offset, target.length));
    return { length: target.length, errno: null };
  };
}

/** Bytes of a copy that make it worth to have a view: V8 counts a view's length as its own memory. */
const VIEW_WORTH = 16 * 1024;

/** Unmaps once. A use after that fails with EBADF and touches nothing. */
function close(sys: Sys, parts: FrameParts, view: LiveView): void {
  if (parts.errors.length > 0 && parts.errors.every((error) => error === CLOSED)) return;
  parts.errors.fill(CLOSED);
  view.detach();
  using undo = new DisposableStack();
  undo.defer(() => parts.release?.());
  for (const area of parts.areas) undo.defer(() => sys.munmap(area.address, area.length));
}

/** The same for frames that were mapped with PROT_WRITE. */
export function ownWritableFrames(sys: Sys, parts: FrameParts): WritableFrames {
  const frames = ownFrames(sys, parts);
  const { length } = frames;
  return {
    ...frames,
    store: (offset, source) =>
      moveFrames(parts, offset, source, (address, bytes) => sys.copyIn(address, bytes)),
    liveWritable: () => frames.live(0, length),
  };
}

/** Moves bytes to or from one stretch of mapped memory, which begins at `offset` of the frames. */
type Copy = (address: bigint, bytes: Uint8Array, offset: number) => Guarded;

/** Moves bytes frame run by frame run; stops at the first frame that is not mapped. */
function moveFrames(parts: FrameParts, offset: number, bytes: Uint8Array, copy: Copy): Guarded {
  const total = parts.addresses.length * FRAME_SIZE;
  let done = 0;
  while (done < bytes.length) {
    const at = offset + done;
    if (at < 0 || at >= total) return { length: done, errno: "EFAULT" };
    const index = Math.floor(at / FRAME_SIZE);
    if (parts.errors[index] !== 0) return { length: done, errno: errnoName(parts.errors[index]) };
    const size = Math.min(runEnd(parts, index, at + bytes.length - done) - at, bytes.length - done);
    const start = BigInt(parts.addresses[index] + at % FRAME_SIZE);
    const moved = copy(start, bytes.subarray(done, done + size), at);
    done += moved.length;
    if (moved.length < size) return { length: done, errno: moved.errno ?? "EFAULT" };
  }
  return { length: done, errno: null };
}

/** End (exclusive, as an offset) of the frames that follow `index` without a gap, at most `limit`. */
function runEnd(parts: FrameParts, index: number, limit: number): number {
  const { addresses, errors } = parts;
  let next = index + 1;
  while (
    next < addresses.length && next * FRAME_SIZE < limit && errors[next] === 0 &&
    addresses[next] === addresses[next - 1] + FRAME_SIZE
  ) next++;
  return next * FRAME_SIZE;
}

function allMapped(errors: Int32Array, offset: number, length: number): boolean {
  if (offset < 0 || offset + length > errors.length * FRAME_SIZE) return false;
  const end = Math.ceil((offset + length) / FRAME_SIZE);
  for (let i = Math.floor(offset / FRAME_SIZE); i < end; i++) if (errors[i] !== 0) return false;
  return true;
}

interface LiveView {
  /** One mmap holds all frames that are mapped, in order. */
  readonly single: boolean;
  /** The buffer was made already. */
  readonly made: boolean;
  buffer(): ArrayBuffer | null;
  detach(): void;
}

/** One buffer, made when it is first asked for; null unless one mmap holds the frames in order. */
function liveView(sys: Sys, parts: FrameParts): LiveView {
  let made: ArrayBuffer | null = null;
  const single = parts.areas.length === 1 && inOrder(parts);
  return {
    single,
    get made() {
      return made !== null;
    },
    // SAFETY: touched only for frames that are mapped; detached before munmap.
    buffer: () => single ? made ??= sys.view(parts.areas[0].address, parts.areas[0].length) : null,
    detach: () => void made?.transfer(0),
  };
}

function inOrder({ areas, addresses, errors }: FrameParts): boolean {
  const base = Number(areas[0].address);
  for (let i = 0; i < addresses.length; i++) {
    if (errors[i] === 0 && addresses[i] !== base + i * FRAME_SIZE) return false;
  }
  return true;
}
