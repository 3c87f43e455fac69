/**
 * `guestmem dump mem`
 *
 * @module
 */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { hex } from "../../lib/address.ts";
import { SourceError } from "../../lib/errors.ts";
import { readSpans } from "../../lib/dump/pieces.ts";
import { checkRange, dumpRaw, gapError, holesIn, writeFile } from "../../lib/dump/raw_file.ts";
import { breathe } from "../../lib/dump/replace_file.ts";
import type { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { checkNamed } from "../../lib/guest/select.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Context, UsageError } from "../context.ts";
import { collect, HELP, openOptions } from "../options.ts";
import { parseAddress, parseCount, parseLength } from "../parse.ts";
import { withProgress } from "../progress.ts";
import { jsonLine, timeText } from "../render/json.ts";
import {
  gapText,
  hexFormat,
  jsonFormat,
  type MemoryFormat,
  plainFormat,
  stringFormat,
  wordFormat,
} from "../render/memory_format.ts";
import { sizeText } from "../render/size.ts";

const MANUAL = `
ADDRESS and LENGTH are decimal, 0x hexadecimal, or with K, M, G or T: 0x7c00 512, 1M 4K.

  $ guestmem dump mem qemu:4242 0x7c00 32
  00007c00  31 c0 8e d8 8e c0 8e d0  bc 00 7c b8 01 02 bb 00  |1.........|.....|
  00007c10  80 b9 02 00 ba 80 00 cd  13 eb f0 00 00 00 00 00  |................|

Formats: hex (as hexdump -C; * stands for repeated lines), words (little-endian, --width bytes),
strings (printable ASCII, --min long), plain (kind, address, length and bytes between tabs; what
was never written is of the kind zeros, without bytes), json, raw (the bytes alone).

Bytes, holes and unreadable stretches are never mixed up:

  $ guestmem dump mem qemu:4242 0x7ffffff0 32
  7ffffff0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
  [0x80000000, 0x80000010) hole: 16 without memory

--format raw has no way to say so, and refuses a range with a gap. With --skip-gaps and -o it leaves
holes in the file for them, and lists them on stderr. Sparse memory stays sparse in the file.
With -o the file appears when it is complete, readable by its owner only, and not at all otherwise.`;

const FORMATS = ["hex", "raw", "words", "strings", "plain", "json"] as const;

/** Bytes read at a time for text. */
const CHUNK = 1 << 18;

interface MemOptions {
  readonly format: (typeof FORMATS)[number];
  readonly output?: string | undefined;
  readonly width: "2" | "4" | "8";
  readonly min: number;
  readonly skipGaps?: true | undefined;
  readonly squeeze: boolean;
}

/** What to dump, and of what. */
interface Range {
  readonly target: string;
  readonly memory: GuestMemory;
  readonly address: bigint;
  readonly length: bigint;
}

/** `dump mem` */
export function dumpMemCommand(context: Context): CommandUnknownOpts {
  return new Command("mem")
    .summary("guest memory: hexadecimal, raw, words, strings or JSON")
    .description("Show LENGTH bytes of guest memory from guest physical ADDRESS on.")
    .argument("<target>", HELP.target)
    .argument("<address>", "guest physical address", parseAddress)
    .argument("<length>", "bytes", parseLength)
    .addOption(
      new Option("--format <format>", "what to print").choices(FORMATS).default("hex" as const),
    )
    .option("-o, --output <file>", "write to a file instead of stdout")
    .addOption(
      new Option("--width <bytes>", "bytes of a word").choices(["2", "4", "8"]).default(
        "8" as const,
      ),
    )
    .option("--min <characters>", "shortest string", parseCount, 4)
    .option("--no-squeeze", "show repeated lines, too")
    .option("--skip-gaps", "raw, with -o: leave holes in the file where there is nothing to read")
    .option("--layout <file>", HELP.layout)
    .option("--add <segment>", HELP.add, collect)
    .option("--replace", HELP.replace)
    .option("--json", "the same as --format json")
    .option("--plain", "the same as --format plain")
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, address, length, options) => {
      const format = options.json ? "json" : options.plain ? "plain" : options.format;
      checkFormat({ ...options, format });
      await using attachment = await openTarget(target, openOptions(context, options));
      checkNamed(attachment.devices, attachment.target);
      const range = { target, memory: attachment.memory, address, length };
      checkRange(attachment.memory, address, length);
      await dump(context, range, { ...options, format });
    });
}

function checkFormat({ format, output, skipGaps }: MemOptions): void {
  if (skipGaps && (format !== "raw" || output === undefined)) {
    throw new UsageError(
      "--skip-gaps is for --format raw with -o FILE: only a file can have holes",
    );
  }
}

/** Where the bytes go, and who is told how far they are. */
interface Sink {
  /** The bytes may be reused as soon as it resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** Takes the bytes behind us. */
  progress(done: bigint): void;
}

async function dump(context: Context, range: Range, options: MemOptions): Promise<void> {
  const { format, output } = options;
  if (format === "raw") refuseHoles(range, options);
  if (output === undefined) {
    const produce = format === "raw" ? copy : render;
    const sink = { write: (bytes: Uint8Array) => context.write(bytes), progress() {} };
    return await produce(range, options, sink, context.signal);
  }
  if (format === "raw") return await toRawFile(context, range, options);
  await withProgress(context, "dump", range.length, (progress) =>
    writeFile(output, (file) => {
      // deno-lint-ignore require-await
      const write = async (bytes: Uint8Array) => file.append(bytes);
      return render(range, options, { write, progress }, context.signal);
    }));
}

/** Finds what is known beforehand to be no memory, so that nothing is written in vain. */
function refuseHoles({ memory, address, length }: Range, { skipGaps }: MemOptions): void {
  const [hole] = skipGaps ? [] : holesIn(memory, address, length);
  if (hole === undefined) return;
  const { message } = gapError(memory, hole);
  const remedy = "with -o FILE, --skip-gaps leaves a hole in the file for it";
  throw new SourceError("dump", "raw", "failed", message, remedy);
}

async function toRawFile(
  context: Context,
  { memory, address, length }: Range,
  { output, skipGaps }: MemOptions,
): Promise<void> {
  const { signal } = context;
  const place = { memory, address, length, path: output as string };
  const { written, sparse, gaps } = await withProgress(
    context,
    "dump",
    length,
    (progress) => dumpRaw({ ...place, skipGaps: skipGaps === true, signal, progress }),
  );
  for (const gap of gaps) context.warn(`guestmem: left as a hole: ${gapText(gap)}`);
  const never = sparse === 0n ? "" : `, ${sizeText(sparse)} never written left sparse`;
  context.warn(`guestmem: ${output}: ${sizeText(written)} copied${never}`);
}

/** The bytes alone. Gaps end it: there is no way to say what they are. */
async function copy(
  { memory, address, length }: Range,
  _options: MemOptions,
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  const zeros = new Uint8Array(CHUNK);
  for (const span of readSpans(memory, address, length, new Uint8Array(CHUNK))) {
    if (span.kind === "bytes") await sink.write(span.bytes);
    else if (span.kind !== "zeros") throw gapError(memory, span);
    else {
      for (let left = span.length; left > 0n; left -= BigInt(CHUNK)) {
        await sink.write(left < BigInt(CHUNK) ? zeros.subarray(0, Number(left)) : zeros);
        await breathe(signal);
      }
    }
    await breathe(signal);
  }
}

async function render(
  range: Range,
  options: MemOptions,
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  const { memory, address, length } = range;
  const format = formatOf(range, options);
  for (const span of readSpans(memory, address, length, new Uint8Array(CHUNK))) {
    for (const piece of format.span(span)) if (piece.length > 0) await sink.write(piece);
    sink.progress(span.address + span.length - address);
    await breathe(signal);
  }
  for (const piece of format.end(address + length)) if (piece.length > 0) await sink.write(piece);
}

function formatOf({ target, address, length }: Range, options: MemOptions): MemoryFormat {
  if (options.format === "words") return wordFormat(Number(options.width) as 2 | 4 | 8);
  if (options.format === "strings") return stringFormat(options.min);
  if (options.format === "plain") return plainFormat();
  if (options.format === "hex") {
    return hexFormat({ end: address + length, squeeze: options.squeeze });
  }
  const head = {
    target,
    time: timeText(Date.now()),
    address: hex(address),
    length: Number(length),
  };
  return jsonFormat(jsonLine("guestmem/memory/1", head));
}
