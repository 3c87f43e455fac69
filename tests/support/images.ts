/**
 * The ring images: guest memory with one ring each, well-formed and broken, made by a generator or
 * stopped live in DPDK. They are sparse files of 16 to 64 MiB, kept small in `fixtures/rings`:
 *
 * - `files.json`: per file its size and its nonzero 64-byte lines, see {@linkcode unpack}.
 * - `layouts.json`: the layout file of each image, as it stands beside the .raw file.
 * - `qemu.json`: for some images, what QEMU's monitor said about the same ring.
 *
 * @module
 */
import { brotliDecompressSync } from "node:zlib";
import { guestAddress } from "../../lib/address.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import type { RingConfig } from "../../lib/ring/config.ts";
import { type Layout, type LayoutMemory, parseLayout } from "../../lib/source/layout.ts";
import files from "../fixtures/rings/files.json" with { type: "json" };
import layouts from "../fixtures/rings/layouts.json" with { type: "json" };
import qemu from "../fixtures/rings/qemu.json" with { type: "json" };

/** What a well-formed image holds from `config.start` on; sums over its chains. */
export interface Expectation {
  readonly chains: number;
  /** Without indirect tables' own descriptors. */
  readonly descriptors: number;
  readonly readable_bytes: number;
  readonly writable_bytes: number;
}

/** One image. `memory` is made on first use: 16 to 64 MiB of zeros with a few pages touched. */
export interface Image {
  readonly name: string;
  readonly layout: Layout;
  readonly config: RingConfig;
  readonly memory: GuestMemory;
  /** The file's bytes; `memory` is over the same buffer, so a test may break a copy of its own. */
  readonly buffer: ArrayBuffer;
  readonly expect: Expectation | null;
  /** Short name of what is wrong; null for well-formed images. */
  readonly fault: string | null;
  /** What is special about it, in words. */
  readonly note: string;
  /** Indices in the two live split snapshots, read by the script that took them. */
  readonly seen: { readonly available: number; readonly used: number } | null;
  /** QEMU's `x-query-virtio-queue-status` and `…-element` answers for the same ring; else null. */
  readonly qemu: Readonly<Record<string, unknown>> | null;
}

interface Stored {
  readonly fault?: string | null;
  readonly note: string;
  readonly expect?: Expectation | null;
  readonly avail_idx_seen?: number;
  readonly used_idx_seen?: number;
}

/** Names of all images, sorted: `split_256_chain3`, `bad_packed_zero_len` … */
export const IMAGE_NAMES: readonly string[] = Object.keys(layouts).sort();

/** The image of that name, freshly made. Throws RangeError for an unknown name. */
export function image(name: string): Image {
  const text = layoutText(name);
  const stored: Stored = JSON.parse(text);
  const layout = parseLayout(text);
  let buffer: ArrayBuffer | null = null;
  let memory: GuestMemory | null = null;
  return {
    name,
    layout,
    config: layout.devices[0].queues[0].ring as RingConfig,
    get buffer() {
      return buffer ??= unpack(fileOf(layout));
    },
    get memory() {
      return memory ??= new GuestMemory(regions(layout, this.buffer), name);
    },
    expect: stored.expect ?? null,
    fault: stored.fault ?? null,
    note: stored.note,
    seen: seen(stored),
    qemu: (qemu as Record<string, Record<string, unknown>>)[name] ?? null,
  };
}

/** All images, one after the other, so that only one buffer is alive at a time. */
export function* images(filter: (name: string) => boolean = () => true): Generator<Image> {
  for (const name of IMAGE_NAMES.filter(filter)) yield image(name);
}

/**
 * Writes an image as the sparse file and the layout file that a command takes. Needs --allow-write.
 * The caller removes `folder`.
 */
export async function writeImage(
  name: string,
  folder: string,
): Promise<{ raw: string; layout: string }> {
  const text = layoutText(name);
  const file = fileOf(parseLayout(text));
  const paths = { raw: `${folder}/${file}`, layout: `${folder}/${name}.json` };
  using raw = await Deno.open(paths.raw, { write: true, create: true, truncate: true });
  raw.truncateSync(stored(file).size);
  const bytes = new Uint8Array(unpack(file));
  for (const { start, end } of pages(file)) {
    raw.seekSync(start, Deno.SeekMode.Start);
    for (let at = start; at < end;) at += raw.writeSync(bytes.subarray(at, end));
  }
  await Deno.writeTextFile(paths.layout, text);
  return paths;
}

function layoutText(name: string): string {
  const layout = (layouts as Record<string, unknown>)[name];
  if (layout === undefined) throw new RangeError(`no image "${name}"`);
  return JSON.stringify(layout, null, 1);
}

function fileOf(layout: Layout): string {
  const { bytes } = layout.memory[0];
  if (bytes.kind !== "file") throw new TypeError(`image ${layout.name} has no file`);
  return bytes.path;
}

function seen(stored: Stored): Image["seen"] {
  const { avail_idx_seen: available, used_idx_seen: used } = stored;
  return available === undefined || used === undefined ? null : { available, used };
}

function regions(layout: Layout, buffer: ArrayBuffer): RegionTable {
  const backing = new BufferBacking(buffer, fileOf(layout));
  const region = ({ gpa, size, offset, path }: LayoutMemory) => ({
    guest: guestAddress(gpa),
    length: size,
    backing,
    offset,
    access: "rw" as const,
    name: path,
    user: null,
  });
  return new RegionTable(layout.memory.map(region));
}

function stored(file: string): { size: number; data: string } {
  return (files as Record<string, { size: number; data: string }>)[file];
}

/** Bytes of a line. */
const LINE = 64;
/** Bytes that a file system stores at least. */
const PAGE = 4096;
/** 32-bit words of a line. */
const WORDS = LINE / 4;

/**
 * The bytes of a file. Stored are, brotli-compressed and as little-endian u32: the count of nonzero
 * lines; each line's number less the one before; then word 0 of every line less the same word of the
 * line before, word 1 of every line, and so on. Rings are so regular that 21 MB become 300 bytes.
 */
function unpack(file: string): ArrayBuffer {
  const { numbers, words } = decode(file);
  const buffer = new ArrayBuffer(stored(file).size);
  const all = new Uint32Array(buffer);
  numbers.forEach((line, n) => {
    all.set(words.subarray(n * WORDS, (n + 1) * WORDS), line * WORDS);
  });
  return buffer;
}

/** Runs of adjacent pages with a nonzero line, as offsets in the file: [start, end). */
function* pages(file: string): Generator<{ start: number; end: number }> {
  const { numbers } = decode(file);
  const lines = PAGE / LINE;
  let run: { start: number; end: number } | null = null;
  for (const number of numbers) {
    const start = Math.floor(number / lines) * PAGE;
    if (run !== null && start <= run.end) run.end = start + PAGE;
    else {
      if (run !== null) yield run;
      run = { start, end: start + PAGE };
    }
  }
  if (run !== null) yield run;
}

function decode(file: string): { numbers: Uint32Array; words: Uint32Array<ArrayBuffer> } {
  const packed = brotliDecompressSync(Uint8Array.fromBase64(stored(file).data));
  const deltas = new Uint32Array(packed.length / 4);
  new Uint8Array(deltas.buffer).set(packed);
  const count = deltas[0];
  const numbers = deltas.slice(1, 1 + count);
  for (let n = 1; n < count; n++) numbers[n] += numbers[n - 1];
  const words = new Uint32Array(count * WORDS);
  for (let word = 0; word < WORDS; word++) {
    const plane = deltas.subarray(1 + count + word * count, 1 + count + (word + 1) * count);
    let value = 0;
    for (let n = 0; n < count; n++) words[n * WORDS + word] = value = (value + plane[n]) >>> 0;
  }
  return { numbers, words };
}
