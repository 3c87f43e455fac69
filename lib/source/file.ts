/**
 * `file:PATH` and `shm:NAME`: a RAM file, live or on disk. A layout file says where regions and
 * rings are; without one, all of the file is guest memory from address 0 on, and rings are unknown.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../errors.ts";
import { hostFileSize, mapHostFile, readHostText } from "./host_file.ts";
import { type Layout, type LayoutMemory, layoutParser, parseLayout } from "./layout.ts";
import { attachLayout, type OpenBytes } from "./layout_memory.ts";
import type { Attachment, AttachOptions, Source, Target } from "./source.ts";

/** Bytes of a layout file at most. */
export const LAYOUT_LIMIT = 4 << 20;

/** The folder of POSIX shared memory (shm_open(3)). */
const SHM = "/dev/shm";

/** `file:PATH` */
export const fileSource: Source = {
  scheme: "file",
  summary: "a RAM file or an image of one; --layout says where regions and rings are",
  attach: (target, options) => promised(() => attachFile(target, target.what, options)),
};

/** `shm:NAME` */
export const shmSource: Source = {
  scheme: "shm",
  summary: "POSIX shared memory, a file of /dev/shm; --layout as for file:",
  attach: (target, options) =>
    promised(() => attachFile(target, `${SHM}/${shmName(target)}`, options)),
};

/** shm_open(3) ignores one leading slash; `..` would leave the folder. */
function shmName(target: Target): string {
  const name = target.what.replace(/^\//, "");
  if (name !== "" && name !== "." && name !== ".." && !name.includes("/")) return name;
  const remedy = "name a file of /dev/shm, or use file:PATH";
  throw new SourceError("shm", "parse", "not-found", `"${target.what}" is no name`, remedy);
}

function attachFile(target: Target, path: string, options: AttachOptions): Attachment {
  const { sys, write, layout } = options;
  const open: OpenBytes = (entry, resources) => {
    if (entry.bytes.kind !== "file") {
      const got = JSON.stringify(entry.bytes.kind);
      throw new ProtocolError("layout", entry.path, `"file" for ${target.scheme}:`, got);
    }
    options.log(`${entry.path}: ${entry.bytes.path}`);
    const file = { sys, scheme: target.scheme, path: entry.bytes.path, write };
    return resources.use(mapHostFile(file));
  };
  const parse = layoutParser();
  let last: { readonly given: Layout; readonly resolved: Layout } | null = null;
  const load = () => {
    if (layout === null) return wholeFile(sys, target.scheme, path);
    const text = readHostText(sys, target.scheme, layout, LAYOUT_LIMIT);
    const given = naming(layout, () => parse(text));
    if (last?.given !== given) last = { given, resolved: resolveFiles(given, layout, path) };
    return last.resolved;
  };
  return attachLayout({ target, write, name: path, pid: null, load, open });
}

/** Reads and parses a layout file. Throws `SourceError` or `ProtocolError`. */
export function readLayout(
  sys: Sys,
  scheme: string,
  path: string,
  memoryIs: "required" | "optional" = "required",
): Layout {
  const text = readHostText(sys, scheme, path, LAYOUT_LIMIT);
  return naming(path, () => parseLayout(text, memoryIs));
}

/** Says which file it is that has something wrong in it. */
function naming<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const { protocol, item, wanted, got, offset } = error;
    throw new ProtocolError(protocol, `${item} of ${path}`, wanted, got, offset);
  }
}

/** No layout: one region at guest address 0. */
function wholeFile(sys: Sys, scheme: string, path: string): Layout {
  const size = hostFileSize({ sys, scheme, path, write: false });
  const entry: LayoutMemory = {
    bytes: { kind: "file", path },
    gpa: 0n,
    size: BigInt(size),
    offset: 0,
    user: null,
    name: "",
    path: "memory[0]",
  };
  return { name: "", kind: "", memory: [entry], devices: [] };
}

/**
 * Files of a layout stand beside it. Where it names a single file, or one of the name that the
 * target has, the target's path takes that one's place: an image may be moved or renamed.
 */
function resolveFiles(layout: Layout, layoutPath: string, path: string): Layout {
  const names = new Set(
    layout.memory.flatMap(({ bytes }) => bytes.kind === "file" ? bytes.path : []),
  );
  const own = names.size === 1
    ? [...names][0]
    : [...names].find((name) => base(name) === base(path));
  if (own === undefined) {
    const wanted = [...names].map(base).join(" or ") || "an entry with a file";
    throw new ProtocolError("layout", "memory", `the file ${base(path)} among them`, wanted);
  }
  const folder = layoutPath.includes("/")
    ? layoutPath.slice(0, layoutPath.lastIndexOf("/") + 1)
    : "";
  const resolve = (name: string) =>
    name === own ? path : name.startsWith("/") ? name : folder + name;
  const memory = layout.memory.map((entry): LayoutMemory =>
    entry.bytes.kind === "file"
      ? { ...entry, bytes: { kind: "file", path: resolve(entry.bytes.path) } }
      : entry
  );
  return { ...layout, memory };
}

function base(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** What is thrown before the first await is a rejection, too. */
// deno-lint-ignore require-await
async function promised<T>(run: () => T): Promise<T> {
  return run();
}
