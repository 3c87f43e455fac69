/**
 * The schemas of `cli/schemas/`, against which every line of JSON is held.
 *
 * @module
 */
import { Ajv2020 as Ajv, type ValidateFunction } from "ajv";

/** Where the files are. */
export const SCHEMAS = new URL("../../cli/schemas/", import.meta.url);

/** What the shapes share; no shape itself. */
const COMMON = "common.1.json";

/** A schema file, parsed. */
export type Schema = Readonly<Record<string, unknown>>;

/** Names of all shapes that have a file: `guestmem/ring/1`, sorted. */
export function schemaNames(): string[] {
  return [...Deno.readDirSync(SCHEMAS)].map(({ name }) => name)
    .filter((name) => name.endsWith(".json") && name !== COMMON)
    .map((name) => name.replace(/^(.+)\.(\d+)\.json$/, "guestmem/$1/$2")).sort();
}

/** The file of a shape; null where it has none. */
export function readSchema(name: string): Schema | null {
  const [, shape, version] = /^guestmem\/([a-z-]+)\/([0-9]+)$/.exec(name) ?? [];
  return shape === undefined ? null : readFile(`${shape}.${version}.json`);
}

function readFile(name: string): Schema | null {
  try {
    return JSON.parse(Deno.readTextFileSync(new URL(name, SCHEMAS)));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** A validator of its own: strict about the schemas themselves, too. */
export function newAjv(open = false): Ajv {
  const ajv = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true });
  // Members that a `oneOf` asks for stand in the object around it.
  ajv.opts.strictRequired = false;
  const common = readFile(COMMON) as Schema;
  ajv.addSchema(open ? common : closed(common));
  return ajv;
}

/** The schema with every object closed: what is not described is an error. */
export function closed(schema: Schema): Schema {
  return JSON.parse(
    JSON.stringify(
      schema,
      (key, value) => key === "additionalProperties" && value === true ? false : value,
    ),
  );
}

let ajv: Ajv | null = null;
const compiled = new Map<string, ValidateFunction>();

/** What is wrong with a line of JSON; empty where it is as its schema says. */
export function faultsOf(line: string): string {
  const value: unknown = JSON.parse(line);
  const name = String((value as { schema?: unknown } | null)?.schema);
  const validate = compiled.get(name) ?? compile(name);
  if (validate === null) return `"${name}" has no file in cli/schemas/`;
  if (validate(value)) return "";
  const [first, ...more] = validate.errors ?? [];
  const what = `${first.instancePath || "/"} ${first.message} ${JSON.stringify(first.params)}`;
  return `${name}: ${what}${more.length === 0 ? "" : `, and ${more.length} more`}`;
}

function compile(name: string): ValidateFunction | null {
  const schema = readSchema(name);
  if (schema === null) return null;
  ajv ??= newAjv();
  const validate = ajv.compile(closed(schema));
  compiled.set(name, validate);
  return validate;
}

/** Shapes that were checked in this process. */
export const SEEN: ReadonlySet<string> = new Set<string>();

/** Throws for a line of an output that is JSON of ours and not as its schema says. */
export function checkOutput(output: string): void {
  for (const line of output.split("\n")) {
    if (!line.startsWith('{"schema":')) continue;
    const faults = faultsOf(line);
    if (faults !== "") throw new Error(`${faults}\nin ${line.slice(0, 400)}`);
    (SEEN as Set<string>).add(JSON.parse(line).schema);
  }
}
