/**
 * `guestmem watch`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { record } from "../../lib/pcap/record.ts";
import type { ListenAddress } from "../../lib/metrics/serve.ts";
import { type OpenOptions, openTarget } from "../../lib/source/attach.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { follow } from "../../lib/watch/follow.ts";
import type { Context } from "../context.ts";
import { HELP, openOptions } from "../options.ts";
import { parseAddressPort, parseCount, parseDuration, parseInterval } from "../parse.ts";
import { watchDoorbell } from "./watch_doorbell.ts";
import type { WatchScreenOptions } from "./watch_screen.ts";
import { HELP_LINES } from "../render/watch_screen_help.ts";
import { watchHeading, watchJson, watchPlain, watchText } from "../render/watch.ts";

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

Of an ivshmem: target it shows a line per interrupt that reaches us, and per peer that comes or goes.

--pcap records instead: the packets of network queues, read from guest memory as they pass. What
passed between two looks unseen is counted in the next packet's block (tshark: frame.drop_count).

--metrics serves what it sees to Prometheus until Ctrl-C: indices, rates, in flight, stalled seconds,
verdict and sampling gaps, with labels guest, device and queue. A guest that goes away is looked for
again; meanwhile guestmem_guest_up is 0.

  $ guestmem watch qemu:4242 --metrics 9469
  guestmem: serving http://127.0.0.1:9469/metrics

  $ guestmem watch qemu:4242/net0 --for 10s --pcap - | tshark -r -

  $ guestmem watch qemu:4242/blk0 --for 2s --json |
      jq -c '[.target, .usedRate, .inFlight]'
  ["qemu:4242/blk0:0",3842.105,1]
  ["qemu:4242/blk0:0",3661.338,0]

On a terminal

${HELP_LINES.map((line) => line === "" ? "" : `  ${line}`).join("\n")}`;

/** `watch` */
export function watchCommand(context: Context): CommandUnknownOpts {
  return new Command("watch")
    .summary("show ring indices and rates live")
    .description("Show the rings of a guest, a device or a queue as they move.")
    .argument("<target>", HELP.target)
    .option(
      "--interval <duration>",
      "time between two lines, in ms or with a unit",
      parseInterval,
      1000,
    )
    .option("--count <count>", "stop after COUNT lines", parseCount)
    .option("--for <duration>", "stop after this time", parseDuration)
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
        return await serve(context, target, options.metrics, options.interval, open);
      }
      await using attachment = await openTarget(target, open);
      const log = open.log ?? (() => {});
      if (options.pcap !== undefined) return await capture(context, attachment, options);
      const { interrupts } = attachment;
      if (interrupts !== undefined) {
        return await watchDoorbell(context, attachment, interrupts, options);
      }
      const interval = Math.min(options.interval, options.for ?? Infinity);
      const whole = Math.max(1, Math.round((options.for ?? Infinity) / interval));
      let left = Math.min(options.count ?? Infinity, whole);
      const isLast = () => --left <= 0;
      if (context.terminal && !options.json && !options.plain) {
        return await screen(context, attachment, { target, interval, isLast });
      }
      if (!options.json && !options.plain) context.warn(watchHeading());
      for await (const report of follow(attachment, { interval, signal: context.signal, log })) {
        await context.print(options.json ? watchJson(report) : watchPlain(report));
        if (isLast()) break;
      }
    });
}

/** The full-screen view. What it saw last stays on the terminal, unless somebody quit. */
async function screen(
  context: Context,
  attachment: Attachment,
  options: Pick<WatchScreenOptions, "target" | "interval" | "isLast">,
): Promise<void> {
  const { watchScreen } = await import("./watch_screen.ts");
  const { interval } = options;
  const last = await watchScreen(context, {
    ...options,
    attachment: () => attachment,
    reports: (signal, log) => follow(attachment, { interval, signal, log }),
  });
  if (last !== null) await context.print(watchText(last, Infinity, context.size().columns));
}

/** Serves metrics until Ctrl-C. The library for it is loaded only then. */
async function serve(
  context: Context,
  target: string,
  listen: ListenAddress,
  interval: number,
  open: OpenOptions,
): Promise<void> {
  const { serveMetrics } = await import("../../lib/metrics/serve.ts");
  const listening = (url: string) => context.warn(`guestmem: serving ${url}`);
  await serveMetrics({ target, open, interval, listen, signal: context.signal, listening });
}

/** Records packets until Ctrl-C or `--for`, and says what came of it. */
async function capture(
  context: Context,
  attachment: Attachment,
  { pcap, for: duration }: { readonly pcap?: string; readonly for?: number },
): Promise<void> {
  using end = deadline(context.signal, duration);
  const path = pcap as string;
  using file = path === "-"
    ? null
    : await Deno.open(path, { write: true, create: true, truncate: true });
  const write = file === null
    ? (bytes: Uint8Array) => context.write(bytes)
    : (bytes: Uint8Array) => writeAll(file, bytes);
  const { counts, gone } = await record(attachment, { write, signal: end.signal });
  const { packets, bytes, dropped } = counts;
  const lost = dropped === 0 ? "" : `, ${dropped} passed unseen`;
  context.warn(`guestmem: ${path}: ${packets} packets, ${bytes} bytes${lost}`);
  if (gone !== null) throw gone;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
}

/** A signal that also ends after `duration` milliseconds. */
function deadline(signal: AbortSignal, duration?: number): Disposable & { signal: AbortSignal } {
  const own = new AbortController();
  const stop = () => own.abort();
  signal.addEventListener("abort", stop, { once: true });
  const timer = duration === undefined ? undefined : setTimeout(stop, duration);
  return {
    signal: own.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    },
  };
}
