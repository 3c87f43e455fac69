/**
 * `guestmem map`
 *
 * @module
 */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { verifyRegions } from "../../lib/memory/verify.ts";
import { checkNamed } from "../../lib/guest/select.ts";
import { openTarget } from "../../lib/source/attach.ts";
import { type Context, interrupted, UsageError, widthOf } from "../context.ts";
import { EXIT } from "../failure.ts";
import { collect, HELP, openOptions } from "../options.ts";
import { parseCount } from "../parse.ts";
import { mappedText, memoryJson, memoryTable, memoryText } from "../render/memory_table.ts";
import { renderPlain } from "../render/table.ts";
import type { KeepOptions } from "./map_session.ts";

const MANUAL = `
Maps all of a guest's memory, prints the memory table, reads the first and the last byte of every
region, and unmaps everything at the end. Mappings are read-only without --write. Nothing is
populated: sparse memory stays sparse.

  $ guestmem map file:ram --layout vm.json
      ADDRESS          END  SIZE  ACCESS  PAGE  NAME  BACKING      OFFSET  READ
          0x0   0x80000000    2G  ro        4K  ram   ram             0x0  ok
   0x80000000   0xfffc0000  2.0G                hole
   0xfffc0000  0x100000000  256K  ro        4K  rom   rom             0x0  ok
  0x100000000  0x180000000    2G  ro        4K  ram   ram      0x80000000  ok
  4.0G in 3 regions, all readable; unmapped

ACCESS is what this mapping may do, PAGE the page size behind it, OFFSET where the region starts in
its backing, READ how the two reads went: ok, or the errno. A region that can not be read makes the
exit code 1. With --hold the mapping is kept until Ctrl-C.

Xen: a list of grants or frames is mapped as it is given; each that can not be says why, and makes the
exit code 1. A destroyed domain whose pages are still held stays as a zombie until they are let go.

  $ guestmem map xen:3 --grants 8,531-532,900 --hold
  REF  STATE                          BYTES
    8  mapped
  531  mapped                         hello
  532  granted to domain 7, not to us
  900  free: nothing is granted by it
  2 of 4 grants mapped read-only; held until Ctrl-C; …

In a session (see \`guestmem help session\`) the mapping stays, and other commands take its name:

  $ guestmem map qemu:4242 --session inc42
  m1@inc42

So does a list of frames or grants: frames stand at their addresses, grants where virtio has them, at
bit 63 and 4096 times the reference. What can not be mapped is said on stderr, exit code 1.

The other half of an experiment: \`guestmem map --offer 3\` grants a page of ours to domain 3.`;

/** Loaded only where it is asked for: see `commands.ts`. */
async function kept(context: Context, target: string, options: KeepOptions): Promise<void> {
  const path = "./map_session.ts";
  const file: typeof import("./map_session.ts") = await import(path);
  await file.mapKept(context, target, options);
}

/** `map` */
export function mapCommand(context: Context): CommandUnknownOpts {
  return new Command("map")
    .summary("map a guest's memory, print and verify the memory table")
    .description("Map a guest's memory, print the memory table, verify it, unmap.")
    .argument("[target]", HELP.target)
    .option("--write", "map writable; the default is read-only")
    .option("--hold", "keep the mapping until Ctrl-C")
    .option("--session <session>", "keep it in a session, and print its name there")
    .option("--name <name>", "in a session: the name to give it; default m1, m2 …")
    .option("--no-verify", "do not read the first and last byte of each region")
    .option("--frames <list>", "Xen: these frames alone, such as 0x100-0x1ff (ends included)")
    .option("--machine", "Xen: --frames are machine frames, not the guest's own numbers")
    .option("--grants <list>", "Xen: these grants of the domain, such as 8,9,10-20")
    .option("--notify-on-unmap [port]", "Xen: at unmap an event to PORT, or clear the first byte")
    .option("--offer <domid>", "Xen: grant new pages of ours to a domain until Ctrl-C")
    .option("--pages <count>", "Xen: pages to offer", parseCount, 1)
    .option("--text <text>", "Xen: what an offered page begins with", "")
    .option("--yes", "Xen: map a running domain's memory writable without asking")
    .option("--layout <file>", HELP.layout)
    .option("--add <segment>", HELP.add, collect)
    .option("--replace", HELP.replace)
    .option("--json", HELP.json)
    .option("--plain", HELP.plain)
    .option("--verbose", HELP.verbose)
    .addHelpText("after", MANUAL)
    .action(async (target, options) => {
      const { confirmXenWrite, endText, isXenMap, mapXen, partOf } = await import("./map_xen.ts");
      const keeps = (options.session ?? options.name ?? context.session ?? null) !== null;
      if (isXenMap(options) && !keeps) return await mapXen(context, target, options);
      const part = partOf(options);
      if (target === undefined) throw new UsageError("missing target", HELP.target);
      await confirmXenWrite(context, [target, ...options.add ?? []], options);
      if (keeps) return await kept(context, target, { ...options, part });
      await using attachment = await openTarget(target, openOptions(context, options));
      checkNamed(attachment.devices, attachment.target);
      const { memory: { table }, warnings } = attachment;
      const verified = options.verify ? verifyRegions(table) : null;
      const bad = [...verified?.values() ?? []].filter((result) => result !== "ok").length;
      if (options.json) {
        await context.print(memoryJson({ target, time: Date.now(), table, verified, warnings }));
      } else if (table.regions.length > 0) {
        const rows = memoryTable(table, verified);
        await context.print(options.plain ? renderPlain(rows) : memoryText(rows, widthOf(context)));
      }
      if (!options.json && !options.plain) {
        const state = verified === null ? "" : bad === 0 ? ", all readable" : `, ${bad} unreadable`;
        const end = endText(options.hold === true, target);
        await context.print(mappedText(target, table, `${state}; ${end}`));
      }
      if (bad > 0) context.exit(EXIT.failed);
      if (options.hold) await interrupted(context.signal);
    });
}
