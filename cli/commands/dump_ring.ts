/**
 * `guestmem dump ring`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { SourceError } from "../../lib/errors.ts";
import { isReadable, reportRing, type RingReport, typeOf } from "../../lib/guest/ring_report.ts";
import { selectQueues } from "../../lib/guest/select.ts";
import type { SnapshotOptions } from "../../lib/ring/snapshot.ts";
import { openTarget } from "../../lib/source/attach.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { type Context, printLines, widthOf } from "../context.ts";
import { EXIT } from "../failure.ts";
import { collect, HELP, openOptions } from "../options.ts";
import { parseCount, parseLimit } from "../parse.ts";
import { isXenRing, showXenRings } from "./dump_xen_ring.ts";
import { ringJson } from "../render/ring_json.ts";

const MANUAL = `
A picture of the ring, its indices and flags, the chains that are with the device with their
requests decoded, and whatever the guest did that the standard forbids (findings, with the section
of virtio 1.4). Without /DEVICE:QUEUE all rings of the guest or device, one after the other.

  $ guestmem dump ring qemu:4242/blk0:0
  qemu:4242/blk0:0  virtio-blk, queue 0 (request0)
  split ring, 256 entries, features 0x100000044
  descriptor 0x7ffdd000, driver 0x7ffde000, device 0x7ffdf000

            available 23 v
    0 |.....#..........................................................| 255
            ^ used 22
    # 1 fetched   = 0 not fetched yet   . 255 with the driver

             INDEX  SLOT  FLAGS  NOTIFICATION
  available     23    23    0x1  call not wanted (flags)
  used          22    22    0x0  kick wanted (flags)

  in flight: 1   read at 2026-11-21T07:26:49.054Z, no index moved meanwhile

  1 chain, oldest first: 3 descriptors, 16 bytes to read, 513 bytes to write
  HEAD  SLOT  STATE     DESC  ADDRESS  LENGTH  DEVICE  MEMORY  NEXT  REQUEST
     0    22  inflight                                               IN sector …
                           0  0xe9418      16  reads   ok         1
                           1   0x8000     512  writes  ok         2
                           2  0xe9417       1  writes  ok

STATE: available (the driver offered it), inflight (the device fetched it, where that is known); with
--recent used (its descriptors may have been freed since) and reused (a newer buffer has them: what
it asked for is gone). A packed ring keeps nothing of what was used, and --recent adds nothing.
DEVICE: what the device does with the buffer. MEMORY: ok, hole, outside or unreadable. INDEX runs
freely to 65535; SLOT is its place in the ring. EVENT is the index at which that side wants to be
notified.

With --plain a line per descriptor: target, head, slot, state, descriptor, address, length, reads or
writes, memory, next, request, findings. A finding of the ring itself is a line before them: target
first, what was seen in the place of the request, its code last, the others empty.

With --check the exit code is 3 when there are findings. With --json a ring is a line of JSON
(guestmem/ring/1), several rings are several lines:

  $ guestmem dump ring qemu:4242/blk0:0 --json |
      jq -r '.chains[].request.summary'
  IN sector 1, 512 bytes: pending`;

/** Chains shown when nothing is said. */
const LIMIT = 16;

/** `dump ring` */
export function dumpRingCommand(context: Context): CommandUnknownOpts {
  return new Command("ring")
    .summary("rings: indices, flags, suppression, chains, decoded requests")
    .description("Show rings: where they stand, what is in flight, what is wrong.")
    .argument("<target>", HELP.target)
    .option("--recent <count>", "also the last COUNT buffers that were used", parseCount)
    .option(
      "--limit <count>",
      "show COUNT chains, 0 for all",
      parseLimit,
      LIMIT,
    )
    .option("--check", "exit code 3 when there are findings")
    .option("--layout <file>", HELP.layout)
    .option("--add <segment>", HELP.add, collect)
    .option("--replace", HELP.replace)
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, options) => {
      await using attachment = await openTarget(target, openOptions(context, options));
      const { recent, limit, json, plain, check } = options;
      const chains: SnapshotOptions = recent === undefined
        ? { chains: "outstanding" }
        : { chains: "recent", recentCount: recent };
      let findings = 0;
      let first = true;
      const show = async (text: string, count: number) => {
        if (!first && !json && !plain) await context.print("");
        first = false;
        await printLines(context, text);
        findings += count;
        context.signal.throwIfAborted();
      };
      const xen = await showXenRings(attachment, { ...options, show });
      const render = json ? ringJson : await textRenderer(context, plain === true, limit);
      for await (const report of reports(context, attachment, chains, xen)) {
        await show(render(report), report.snapshot.findings.length);
      }
      if (check && findings > 0) context.exit(EXIT.findings);
    });
}

/** Tables cost time to load, and JSON needs none. */
async function textRenderer(
  context: Context,
  plain: boolean,
  limit: number,
): Promise<(report: RingReport) => string> {
  const { ringPlainTable, ringText } = await import("../render/ring_text.ts");
  const { renderPlain } = await import("../render/table.ts");
  return plain
    ? (report) => renderPlain(ringPlainTable(report))
    : (report) => ringText(report, { limit, width: widthOf(context) });
}

async function* reports(
  context: Context,
  attachment: Attachment,
  options: SnapshotOptions,
  shown: number,
): AsyncGenerator<RingReport> {
  const { devices, target } = attachment;
  const selected = selectQueues(devices, target).filter(({ queue }) => !isXenRing(queue));
  if (shown > 0 && selected.every(({ queue }) => queue.ring === null)) return;
  if (selected.length === 0) {
    throw nothing(target.text, attachment.note || "the guest has no queues that are known");
  }
  if (selected.every(({ queue }) => queue.ring === null)) {
    throw nothing(target.text, selected[0].queue.note || selected[0].device.note);
  }
  for (const queue of selected) {
    if (!isReadable(queue)) {
      context.warn(`guestmem: ${queue.target}: ${queue.queue.note || "no ring"}`);
    } else yield reportRing(attachment.memory, queue, await typeOf(queue.device), options);
  }
}

function nothing(target: string, why: string): SourceError {
  const remedy =
    "--layout FILE says where rings are; `guestmem find --carve TARGET` looks for them";
  return new SourceError("dump", "read rings", "failed", `${target}: ${why}`, remedy);
}
