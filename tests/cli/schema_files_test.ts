/** The schemas themselves: one for each shape that the sources name, strict, and with its policy. */
import { assert, assertEquals } from "@std/assert";
import { closed, newAjv, readSchema, type Schema, schemaNames } from "../support/schemas.ts";
import { faultsOf } from "../support/schemas.ts";

const ROOT = new URL("../../", import.meta.url);

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (isDirectory) yield* sources(`${folder}${name}/`);
    else if (name.endsWith(".ts")) yield await Deno.readTextFile(new URL(folder + name, ROOT));
  }
}

/** Every object schema in a schema, with where it stands. */
function* objects(value: unknown, path = ""): Generator<[string, Schema]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value) && "properties" in value && "type" in value) {
    yield [path, value as Schema];
  }
  for (const [key, item] of Object.entries(value)) yield* objects(item, `${path}/${key}`);
}

Deno.test("a file for each shape that the sources name, and no other", async () => {
  const named = new Set<string>();
  for (const folder of ["cli/", "lib/"]) {
    for await (const text of sources(folder)) {
      for (const [, name] of text.matchAll(/"(guestmem\/[a-z-]+\/[0-9]+)"/g)) named.add(name);
    }
  }
  assertEquals(schemaNames(), [...named].sort());
});

Deno.test("every file is a strict schema that names its shape", () => {
  for (const name of schemaNames()) {
    const schema = readSchema(name) as Schema;
    newAjv().compile(closed(schema));
    assertEquals(schema.title, name);
    assertEquals((schema.properties as Record<string, Schema>).schema.const, name);
    assert((schema.required as string[]).includes("schema"), name);
    assert(String(schema.description).startsWith("What `guestmem "), name);
  }
});

Deno.test("every object says whether it may have other members", () => {
  const files = [...schemaNames().map((name) => [name, readSchema(name)] as const)];
  for (const [name, schema] of files) {
    for (const [path, object] of objects(schema)) {
      assertEquals(object.additionalProperties, true, `${name}${path}`);
      const properties = Object.keys(object.properties as Schema);
      const missing = (object.required as string[]).filter((key) => !properties.includes(key));
      assertEquals(missing, [], `${name}${path}: required, and not described`);
    }
  }
});

Deno.test("a consumer takes members that it does not know; the tests do not", () => {
  const line = {
    schema: "guestmem/demo/1",
    time: "2026-01-01T00:00:00.000Z",
    target: "proc:1",
    pid: 1,
    name: "demo",
  };
  const open = newAjv(true).compile(readSchema("guestmem/demo/1") as Schema);
  assert(open(line) && open({ ...line, more: 1 }));
  assertEquals(faultsOf(JSON.stringify(line)), "");
  assert(faultsOf(JSON.stringify({ ...line, more: 1 })).includes("must NOT have additional"));
  assert(faultsOf(JSON.stringify({ ...line, pid: "1" })).includes("/pid must be integer"));
  const { name: _, ...less } = line;
  assert(faultsOf(JSON.stringify(less)).includes("must have required property"));
  assert(faultsOf('{"schema":"guestmem/nothing/1"}').includes("has no file"));
});
