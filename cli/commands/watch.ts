/**
 * `guestmem watch`
 *
 * @module
 */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import type { CaptureCounts } from "../../lib/pcap/capture.ts";
import { type CaptureFile, openCaptureFile } from "../../lib/pcap/capture_file.ts";
import { record } from "../../lib/pcap/record.ts";
import type { ListenAddress } from "../../lib/metrics/serve.ts";
import { type OpenOptions, openTarget } from "../../lib/source/attach.ts";
import type { Attachment, Interrupts } from "../../lib/source/source.ts";
import { type Context, UsageError } from "../context.ts";
import { from } from "../commands.ts";
import { deadline } from "../deadline.ts";
import { HELP, openOptions } from "../options.ts";
import { parseAddressPort, parseCount, parseDuration, parseInterval } from "../parse.ts";
import { HELP_LINES } from "../render/watch_screen_help.ts";
import { watchDoorbell } from "./watch_doorbell.ts";
import { parseUntil } from "./watch_end.ts";
import { watchRings } from "./watch_rings.ts";

const MANUAL = `
A row per queue: the free-running indices (packed: slots), how many buffers are with the device now
and at worst, buffers per second made available and used, the average since the start, how long
the device has used nothing while something is with it, which notifications are wanted, how old the
oldest request is at least, and the verdict of \`diagnose\`. A stall is called so after a second.

Rings are read many times between two lines. Where an index may still have lapped unseen, the rate
is \`?\` and JSON says "gap": true; it is never made up.

On a terminal it is a full-screen view, the worst queue first; its keys stand below. Elsewhere each
interval is a line per queue, as with --plain, and stderr tells once what the columns are. --json is a
stream of lines (guestmem/watch/1).

The time between two lines is what "elapsed" says: asked for 1ms, it may be more on a busy machine. With
--fast all of a processor reads, for one ring some million times a second: "readRate" tells.

A guest that goes away is noticed at the next line, which still has its last indices, the verdict
\`gone\` and in JSON "guest": {"up": false}. Then it ends with 4; not with --keep-going, and not the
full-screen view: these look for the guest every second and go on with it when it is back.

--until waits for something, for scripts: exit code 0 when it came, 1 when --for or --count ended first,
2 for what can never come. It is one or more terms with commas between, all of which must hold of one
queue; with \`all\` in front, of every queue. A term is

  moving, idle, lost-kick …  a verdict, with - for blanks; stuck is any but
                             moving and idle
  inFlight>=200              a number of the JSON, compared by = != < <= > >=:
                             available used inFlight inFlightWorst availableRate
                             usedRate usedAverage samples
  oldest>5s                  a time: waiting oldest elapsed, in ms or with unit
  verdict!=idle              any other verdict
  gone, up                   the guest, alone

What is not known (a rate over a gap, a verdict in the first second) holds nowhere.

  $ guestmem watch qemu:4242/blk0:0 --until moving --for 30s --plain >/dev/null
  guestmem: qemu:4242/blk0:0: moving, after 4.0s

\`guestmem watch mem TARGET ADDRESS LENGTH\` shows what changes in a range of memory instead, as a
diff: \`guestmem help watch mem\`.

Of an ivshmem: target it shows a line per interrupt that reaches us, and per peer that comes or goes.

--pcap records instead: the packets of network queues, read from guest memory as they pass. What
passed between two looks unseen is counted in the next packet's block (tshark: frame.drop_count). A
ring that may have come round meanwhile leaves no count: the block's comment then says "lost, count
unknown", and the last line "at least". Packed rings do so soon, for they have no running index.

--metrics serves what it sees to Prometheus until Ctrl-C or --for: indices, rates, in flight, stalled
seconds, verdict and sampling gaps, with labels guest, device and queue; of a Xen domain also the
frames and entries of its grant table, now and at its limit. A guest that goes away is looked for
again; meanwhile guestmem_guest_up is 0. Only this machine is served unless an address is given:
0.0.0.0:PORT, or [::]:PORT, is every address of it.

  $ guestmem watch qemu:4242 --metrics 9469
  guestmem: serving http://127.0.0.1:9469/metrics

  $ guestmem watch qemu:4242/net0 --for 10s --pcap - | tshark -r -

  $ guestmem watch qemu:4242/blk0 --for 2s --json |
      jq -c '[.target, .usedRate, .inFlight]'
  ["qemu:4242/blk0:0",3842.105,1]
  ["qemu:4242/blk0:0",3661.338,0]

On a terminal

${HELP_LINES.map((line) => line === "" ? "" : `  ${line}`).join("\n")}`;

/** Loaded when it is asked for. */
const loadMem = from<typeof import("./watch_mem.ts")>(
  "./commands/watch_mem.ts",
  (file) => file.watchMemCommand,
);

/** `watch`, or what `words` name of it. */
export async function watchCommand(
  context: Context,
  words: readonly string[],
): Promise<CommandUnknownOpts> {
  if (words[0] !== "mem") return ringsCommand(context);
  // Without the options of rings: they would be taken for those of `mem`, which has some of the names.
  const command = new Command("watch").helpCommand(false).summary("show what changes");
  return command.addCommand(await loadMem(context, words.slice(1)));
}

function ringsCommand(context: Context): CommandUnknownOpts {
  return new Command("watch")
    .helpCommand(false)
    .summary("show ring indices and rates live")
    .description("Show the rings of a guest, a device or a queue as they move.")
    .argument("<target>", HELP.target)
    .addOption(
      new Option(
        "--interval <duration>",
        "time between two lines, from 1ms on; in ms or with a unit",
      )
        .argParser(parseInterval).default(1000, "1s"),
    )
    .option("--fast", "read rings without a pause between two lines, and tell how often that was")
    .option("--count <count>", "stop after COUNT intervals", parseCount)
    .option("--for <duration>", "stop after this time", parseDuration)
    .option("--until <condition>", "stop when it holds, such as moving or oldest>5s", parseUntil)
    .option("--keep-going", "go on when the guest is gone, and attach it again when it is back")
    .option(
      "--metrics <address>",
      "serve OpenMetrics at PORT (on 127.0.0.1) or ADDRESS:PORT",
      parseAddressPort,
    )
    .option("--pcap <file>", "write the packets that pass network queues as pcapng; - for stdout")
    .option("--layout <file>", HELP.layout)
    .option("--json", "print a line of JSON per queue and interval")
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, options) => {
      const open = openOptions(context, options);
      if (options.metrics !== undefined) {
        checkAlone("--metrics", options);
        return await serve(context, target, { ...options, listen: options.metrics }, open);
      }
      if (options.pcap !== undefined) checkAlone("--pcap", options);
      const attachment = await openTarget(target, open);
      if (options.pcap !== undefined || attachment.interrupts !== undefined) {
        await using held = attachment;
        if (options.pcap !== undefined) return await capture(context, held, options);
        return await watchDoorbell(context, held, held.interrupts as Interrupts, options);
      }
      await watchRings(context, attachment, { ...options, target, open });
    });
}

/** Options that shape or end lines, which neither metrics nor packets are. */
const OF_LINES = ["count", "until", "fast", "json", "plain"] as const;

function checkAlone(what: string, options: { readonly [key: string]: unknown }): void {
  const [other] = OF_LINES.filter((name) => options[name] !== undefined);
  if (other === undefined) return;
  throw new UsageError(
    `${what} prints no lines, so --${other} means nothing with it`,
    "leave one of them out; --for ends both",
  );
}

/** Serves metrics until Ctrl-C or `--for`. The library for it is loaded only then. */
async function serve(
  context: Context,
  target: string,
  { listen, interval, for: duration }: {
    readonly listen: ListenAddress;
    readonly interval: number;
    readonly for?: number;
  },
  open: OpenOptions,
): Promise<void> {
  using end = deadline(context.signal, duration);
  const { serveMetrics } = await import("../../lib/metrics/serve.ts");
  const listening = (url: string) => context.warn(`guestmem: serving ${url}`);
  await serveMetrics({ target, open, interval, listen, signal: end.signal, listening });
}

/** Records packets until Ctrl-C or `--for`, and says what came of it. */
async function capture(
  context: Context,
  attachment: Attachment,
  { pcap, for: duration }: { readonly pcap?: string; readonly for?: number },
): Promise<void> {
  using end = deadline(context.signal, duration);
  using files = new DisposableStack();
  const path = pcap as string;
  let file: CaptureFile | null = null;
  // Opened for the first block: a target without packets leaves an older capture as it is.
  const toFile = async (bytes: Uint8Array) => {
    file ??= files.use(await openCaptureFile(path));
    await file.write(bytes);
  };
  const write = path === "-" ? (bytes: Uint8Array) => context.write(bytes) : toFile;
  const { counts, gone } = await record(attachment, { write, signal: end.signal });
  const { packets, bytes } = counts;
  context.warn(`guestmem: ${path}: ${packets} packets, ${bytes} bytes${unseen(counts)}`);
  if (gone !== null) throw gone;
}

function unseen({ dropped, uncounted }: CaptureCounts): string {
  if (uncounted) return `, at least ${dropped} passed unseen`;
  return dropped === 0 ? "" : `, ${dropped} passed unseen`;
}
