/**
 * Writes what the commands of a page print now into the page, where it is not what stands there. For
 * a new page, write the commands alone. Look at what comes: it is what readers are told.
 *
 * usage: deno run -A tests/docs/record.ts PAGE…
 */
import { actsOf, readPage } from "../support/docs/page.ts";
import { play, type Played } from "../support/docs/play.ts";
import { LIVE_SCENES } from "../support/docs/live_scenes.ts";
import { HOST_SCENES } from "../support/docs/scene.ts";

const SCENES = { ...HOST_SCENES, ...LIVE_SCENES };

/** The page's lines with what a step printed in the place of what stood there. */
function replaced(lines: readonly string[], { block, step, printed }: Played): string[] {
  const start = block.line + step.line;
  const typed = step.command.split("\n").length - 1;
  const first = start + typed;
  const after = step.output.length +
    (step.afterInterrupt === null ? 0 : 1 + step.afterInterrupt.length);
  return [...lines.slice(0, first), ...printed, ...lines.slice(first + after)];
}

async function record(path: string): Promise<void> {
  const page = readPage(path);
  const wrong: Played[] = [];
  for (const { scene, blocks } of actsOf(page)) {
    const [name, ...words] = scene.split(" ");
    if (SCENES[name] === undefined) continue;
    await using set = await SCENES[name](words);
    for await (const played of play(page, blocks, set)) {
      if (played.wrong !== null) wrong.push(played);
    }
  }
  const file = new URL(`../../${path}`, import.meta.url);
  const lines = (await Deno.readTextFile(file)).split("\n");
  // From the end, so that the lines before stay where they are.
  await Deno.writeTextFile(file, wrong.reduceRight(replaced, lines).join("\n"));
  console.log(`${path}: ${wrong.length} outputs written`);
}

if (import.meta.main) { for (const path of Deno.args) await record(path); }
