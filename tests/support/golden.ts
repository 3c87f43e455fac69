/**
 * Golden outputs: what every verb prints about every recorded image, as transcripts in `tests/golden`.
 * `deno task golden --update` writes them anew; what changed is then read in the diff.
 *
 * @module
 */
import { createTwoFilesPatch } from "diff";

const FOLDER = new URL("../golden/", import.meta.url);

/** Whether this run writes the files instead of comparing. */
const UPDATE = Deno.args.includes("--update");

/** Lines that stand at the beginning and at the end of a text that is cut. */
const [HEAD, TAIL] = [24, 8];

/** Elements of a JSON array that stand before and after what is left out. */
const [FIRST, LAST] = [2, 1];

/** Columns up to which a JSON value stands in one line. */
const WIDTH = 100;

/** Lines of a diff that are shown. */
const SHOWN = 80;

/** Throws with a diff where `text` is not what `tests/golden/NAME.txt` holds. */
export async function checkGolden(name: string, text: string): Promise<void> {
  const path = new URL(`${name}.txt`, FOLDER);
  if (UPDATE) return await Deno.writeTextFile(path, text);
  const wanted = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  if (wanted !== text) throw new Error(difference(name, wanted, text));
}

function difference(name: string, wanted: string, got: string): string {
  const patch = createTwoFilesPatch(`tests/golden/${name}.txt`, "now", wanted, got, "", "", {
    context: 2,
  });
  const lines = patch.split("\n").slice(1);
  const more = lines.length > SHOWN ? `\n... ${lines.length - SHOWN} more lines` : "";
  return `${lines.slice(0, SHOWN).join("\n")}${more}\n` +
    "If this is what was meant: deno task golden --update, and read the diff.";
}

/** Names of the files there are, sorted. */
export function goldenNames(): string[] {
  return [...Deno.readDirSync(FOLDER)].map(({ name }) => name.replace(/\.txt$/, "")).sort();
}

/**
 * An output as a transcript holds it: JSON over several lines, and a long one cut in the middle, with
 * a digest of all of it, so that a change in what is left out shows, too.
 */
export async function abridged(text: string): Promise<string> {
  const lines = text.split("\n").slice(0, -1);
  const shown = lines.length > HEAD + TAIL
    ? [
      ...lines.slice(0, HEAD),
      `... ${lines.length - HEAD - TAIL} more lines ...`,
      ...lines.slice(-TAIL),
    ]
    : lines;
  const laidOut = shown.map((line) => line.startsWith("{") ? laid(JSON.parse(line)) : line);
  const whole = shown === lines && !laidOut.some((line) => line.includes("\u2026 "));
  return [...laidOut, ...whole ? [] : [`[sha256 ${await digest(text)}]`]].join("\n");
}

async function digest(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(hash).toHex().slice(0, 16);
}

/** A value in one line where that is short enough, else a member a line. */
function laid(value: unknown, indent = ""): string {
  const line = JSON.stringify(value);
  const deeper = `${indent} `;
  if (Array.isArray(value)) {
    if (line.length + indent.length <= WIDTH) return line;
    const parts = cutArray(value).map((one) =>
      one instanceof LeftOut ? one.text : laid(one, deeper)
    );
    return `[\n${deeper}${parts.join(`,\n${deeper}`)}\n${indent}]`;
  }
  if (value === null || typeof value !== "object" || line.length + indent.length <= WIDTH) {
    return line;
  }
  const members = Object.entries(value).map(([name, one]) =>
    `${JSON.stringify(name)}: ${laid(one, deeper)}`
  );
  return `{\n${deeper}${members.join(`,\n${deeper}`)}\n${indent}}`;
}

/** What stands in the place of elements. */
class LeftOut {
  constructor(readonly text: string) {}
}

function cutArray(value: readonly unknown[]): unknown[] {
  const left = value.length - FIRST - LAST;
  if (left < 2) return [...value];
  return [...value.slice(0, FIRST), new LeftOut(`\u2026 ${left} more`), ...value.slice(-LAST)];
}
