/**
 * `guestmem find --carve`
 *
 * @module
 */
import { carve, type Carving } from "../../lib/carve/carve.ts";
import { carvedLayout } from "../../lib/carve/layout.ts";
import { writeFile } from "../../lib/dump/raw_file.ts";
import { breathe } from "../../lib/dump/replace_file.ts";
import { guestTarget } from "../../lib/guest/select.ts";
import { openTarget } from "../../lib/source/attach.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { type Context, widthOf } from "../context.ts";
import { type AttachFlags, openOptions } from "../options.ts";
import { withProgress } from "../progress.ts";
import { carveJson, carvePlain, type CarveReport, carveText } from "../render/carve.ts";
import { plural, sizeText } from "../render/size.ts";

/** Options of `find` that go with `--carve`. */
export interface CarveFlags extends AttachFlags {
  readonly json?: true | undefined;
  readonly plain?: true | undefined;
  readonly output?: string | undefined;
  readonly minScore: number;
}

/** Steps of a scan between two looks at the clock and at signals: 4 MiB. */
const STEPS = 16;

/** Scans the memory of a target for rings and prints them. */
export async function findCarved(
  context: Context,
  target: string,
  options: CarveFlags,
): Promise<void> {
  await using attachment = await openTarget(target, {
    ...openOptions(context, options),
    guess: true,
  });
  const start = performance.now();
  const carving = await scan(context, attachment);
  const rings = carving.rings.filter(({ score }) => score >= options.minScore);
  const place = guestTarget(attachment.target);
  const milliseconds = performance.now() - start;
  const report: CarveReport = { target: place, carving, rings, attachment, milliseconds };
  if (options.json) await context.print(carveJson(report, Date.now()));
  else if (rings.length > 0) {
    await context.print(options.plain ? carvePlain(report) : carveText(report, widthOf(context)));
  }
  if (options.output !== undefined) {
    const text = new TextEncoder().encode(carvedLayout(place, attachment, rings));
    // deno-lint-ignore require-await
    await writeFile(options.output, async (file) => file.append(text));
  }
  summarize(context, report, options.output);
}

async function scan(context: Context, { memory }: Attachment): Promise<Carving> {
  return await withProgress(context, "carve", memory.table.size, async (progress) => {
    const steps = carve(memory);
    for (let n = 1;; n++) {
      const step = steps.next();
      if (step.done) return step.value;
      if (n % STEPS !== 0) continue;
      progress(step.value.behind);
      await breathe(context.signal);
    }
  });
}

/** What a person wants to know beside the rings, on stderr. */
function summarize(
  context: Context,
  { target, carving, rings, milliseconds }: CarveReport,
  output: string | undefined,
): void {
  const { scanned, unreadable, skipped } = carving;
  const rate = Number(scanned) / Math.max(milliseconds, 1) * 1000;
  const speed = `${sizeText(scanned)} in ${(milliseconds / 1000).toFixed(2)} s`;
  context.warn(
    `guestmem: ${plural(rings.length, "ring")} in ${speed} (${sizeText(Math.round(rate))}/s)`,
  );
  const hidden = carving.rings.length - rings.length;
  if (hidden > 0) context.warn(`guestmem: ${plural(hidden, "ring")} below --min-score not shown`);
  if (unreadable > 0n) context.warn(`guestmem: ${sizeText(unreadable)} could not be read`);
  if (skipped > 0) {
    context.warn(`guestmem: ${plural(skipped, "place")} not looked at: too many look like rings`);
  }
  if (output === undefined || rings.length === 0) return;
  context.warn(
    `guestmem: wrote ${output}: try guestmem dump ring ${target}/${
      rings[0].device
    } --layout ${output}`,
  );
}
