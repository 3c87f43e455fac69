/**
 * Imports run cli → lib → ffi and never back; the pure set imports only itself and does not touch
 * the `Deno` namespace. Checked on the import lines, so that the layering can not rot unseen.
 */
import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../", import.meta.url);
/** Folders and files of lib that need no permission and no runtime. */
const PURE = [
  "lib/address.ts",
  "lib/errors.ts",
  "lib/finding.ts",
  "lib/memory/",
  "lib/ring/",
  "lib/device/",
  "lib/wire/",
];

/** A source file and what it imports, both relative to the repository. */
interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

async function* files(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    if (entry.isDirectory) yield* files(`${folder}${entry.name}/`);
    else if (entry.name.endsWith(".ts")) yield folder + entry.name;
  }
}

/** What stands in `from "…"`, `import "…"`, `import("…")` and `new URL("…", import.meta.url)`. */
function importsOf(path: string, text: string): string[] {
  const pattern = /(?:\bfrom\s+|\bimport\s*\(?\s*|\bnew URL\(\s*)"([^"]+)"/g;
  return [...text.matchAll(pattern)].map(([, name]) => resolve(path, name));
}

function resolve(path: string, name: string): string {
  if (!name.startsWith(".")) return name;
  const base = new URL(path, "file:///");
  return new URL(name, base).pathname.slice(1);
}

async function sources(folder: string): Promise<Source[]> {
  const list: Source[] = [];
  for await (const path of files(folder)) {
    const text = await Deno.readTextFile(new URL(path, ROOT));
    list.push({ path, text, imports: importsOf(path, text) });
  }
  return list;
}

function isPure(path: string): boolean {
  return PURE.some((prefix) => path.startsWith(prefix));
}

function violations(list: Source[], allowed: (name: string) => boolean): string[] {
  return list.flatMap(({ path, imports }) =>
    imports.filter((name) => !allowed(name)).map((name) => `${path} imports ${name}`)
  );
}

const isOwn = (name: string) => /^(cli|lib|ffi|tests)\//.test(name) || name === "mod.ts";

Deno.test("ffi imports nothing of the project but ffi", async () => {
  const list = await sources("ffi/");
  assert(list.length > 0);
  assertEquals(violations(list, (name) => !isOwn(name) || name.startsWith("ffi/")), []);
});

Deno.test("lib imports lib and ffi, never cli", async () => {
  const list = await sources("lib/");
  assert(list.length > 0);
  assertEquals(violations(list, (name) => !isOwn(name) || /^(lib|ffi)\//.test(name)), []);
});

Deno.test("cli never imports ffi", async () => {
  const list = await sources("cli/");
  assert(list.length > 0);
  assertEquals(
    violations(list, (name) => !isOwn(name) || /^(cli|lib)\//.test(name) || name === "mod.ts"),
    [],
  );
});

Deno.test("the pure set imports only itself and does not touch Deno", async () => {
  const list = (await sources("lib/")).filter(({ path }) => isPure(path));
  assert(list.length > 0);
  assertEquals(violations(list, isPure), []);
  const touching = list.filter(({ text }) => /^[^*/]*\bDeno\./m.test(text)).map(({ path }) => path);
  assertEquals(touching, []);
});
