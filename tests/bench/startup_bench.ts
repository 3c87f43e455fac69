/**
 * From a shell's prompt to the answer: `dump ring` of an image with decoded requests, against an
 * empty `deno run`. The two take turns; the ratio is of medians.
 */
import { writeImage } from "../support/images.ts";

const ROUNDS = 15;
const CLI = new URL("../../cli/main.ts", import.meta.url).pathname;

async function timed(args: string[]): Promise<number> {
  const start = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), { args, stdout: "null" }).output();
  if (!success) throw new Error(args.join(" "));
  return performance.now() - start;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** Says in a layout file which device the ring is of: its requests are decoded then. */
async function decodeAs(type: string, path: string): Promise<void> {
  const layout = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...layout, type }));
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  try {
    const { raw, layout } = await writeImage("split_256_chain3", folder);
    await decodeAs("blk", layout);
    const empty = `${folder}/empty.ts`;
    await Deno.writeTextFile(empty, "");
    const run = ["run", "--quiet", "--no-check", "-A"];
    const ring = [...run, CLI, "dump", "ring", `file:${raw}`, "--layout", layout];
    for (
      const [what, args] of [["dump ring", ring], ["dump ring --json", [
        ...ring,
        "--json",
      ]]] as const
    ) {
      const [ours, nothing]: number[][] = [[], []];
      for (let n = 0; n < ROUNDS; n++) {
        nothing.push(await timed([...run, empty]));
        ours.push(await timed([...args]));
      }
      const ratio = median(ours) / median(nothing);
      console.log(
        `${what.padEnd(18)} ${median(ours).toFixed(0)} ms, empty deno run ${
          median(nothing).toFixed(0)
        } ms: ${ratio.toFixed(1)} times`,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
