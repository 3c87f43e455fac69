/**
 * Everything that outsiders name, and everything a guest writes, through the renderers: what comes
 * out moves no cursor and turns no text around.
 *
 * @module
 */
import { chainListText } from "../../cli/render/chain_list.ts";
import { escape, escapeLines } from "../../cli/render/escape.ts";
import { findJson, findPlain, findText } from "../../cli/render/find.ts";
import { stringFormat } from "../../cli/render/memory_format.ts";
import { memoryJson, memoryTable } from "../../cli/render/memory_table.ts";
import { ringJson } from "../../cli/render/ring_json.ts";
import { ringPlainTable, ringText } from "../../cli/render/ring_text.ts";
import { renderPlain, renderTable } from "../../cli/render/table.ts";
import { decodeChain } from "../../lib/device/decode_chain.ts";
import { DEVICE_TYPES } from "../../lib/device/registry.ts";
import type { Device, Guest } from "../../lib/guest/guest.ts";
import type { RingReport } from "../../lib/guest/ring_report.ts";
import type { RegionTable } from "../../lib/memory/region_table.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { DescriptorChain } from "../../lib/ring/snapshot.ts";
import { nastyBytes, nastyText, unsafeIn } from "./nasty.ts";
import { Random } from "./random.ts";
import { ringCase } from "./ring_case.ts";
import type { World } from "./world.ts";

/** Throws where something gets through. */
export function fuzzTerminal(seed: number): void {
  const random = new Random(seed);
  escapes(random);
  tables(random);
  if (random.oneIn(4)) guests(random);
  if (random.oneIn(4)) rings(random, seed);
}

/** `lines`: whether line ends of our own are in it. */
function safe(what: string, text: string, lines = true): void {
  const unsafe = unsafeIn(text) ?? (lines || !text.includes("\n") ? null : "a line end");
  if (unsafe !== null) throw new Error(`${what} lets through ${unsafe}`);
}

/** Every escape can be told from what was there before: two texts never look the same. */
function escapes(random: Random): void {
  const text = nastyText(random);
  safe("escape", escape(text), false);
  safe("escapeLines", escapeLines(text));
  const back = escape(text).replace(
    /\\(?:x([0-9a-f]{2})|u\{([0-9a-f]+)\}|(.))/g,
    (_, byte, point, short) =>
      short === undefined
        ? String.fromCodePoint(parseInt(byte ?? point, 16))
        : ({ n: "\n", r: "\r", t: "\t", "\\": "\\" } as Record<string, string>)[short],
  );
  if (back !== text) throw new Error(`escape of ${JSON.stringify(text)} is not reversible`);
}

function tables(random: Random): void {
  const columns = [{ head: "A" }, { head: "B", align: "right" as const }, { head: "C" }];
  const rows = Array.from(
    { length: random.below(4) },
    () => columns.map(() => nastyText(random)),
  );
  safe("renderTable", renderTable({ columns, rows }));
  const plain = renderPlain({ columns, rows });
  safe("renderPlain", plain.replaceAll("\t", " "));
  if (rows.length > 0 && plain.split("\n").length !== rows.length) throw new Error("lines differ");
  const bytes = nastyBytes(random);
  const span = { kind: "bytes", address: 0n, length: BigInt(bytes.length), bytes } as const;
  const format = stringFormat(1);
  for (const line of [...format.span(span), ...format.end(0n)]) {
    safe("strings", new TextDecoder().decode(line));
  }
}

function deviceOf(random: Random): Device {
  return {
    name: nastyText(random),
    type: random.below(40),
    bus: { kind: "pci", id: nastyText(random) },
    status: random.below(256),
    features: random.bits64(),
    vhost: random.oneIn(2) ? null : nastyText(random),
    queues: [{ index: 0, name: nastyText(random), ring: null, note: nastyText(random) }],
    note: nastyText(random),
  };
}

function guests(random: Random): void {
  const list: Guest[] = Array.from({ length: 2 }, () => ({
    target: nastyText(random),
    name: nastyText(random),
    kind: nastyText(random),
    pid: random.below(9999),
    state: nastyText(random),
    memory: random.bits64(),
    devices: [deviceOf(random)],
    note: nastyText(random),
  }));
  safe("findText", findText(list));
  safe("findPlain", findPlain(list).replaceAll("\t", " "));
  const json = findJson({ guests: list, problems: [] }, 0);
  safe("findJson", json, false);
  const { name, note } = JSON.parse(json).guests[1];
  if (name !== list[1].name || note !== list[1].note) throw new Error("findJson changes a value");
}

/** A ring whose buffers are full of it, decoded and shown. */
function rings(random: Random, seed: number): void {
  const one = ringCase(seed);
  one.damage();
  const { world, config } = one;
  const snapshot = openRing(world.memory, config).snapshot({ chains: "recent" });
  const shown = Math.min(snapshot.chainCount, 16);
  for (let n = 0; n < shown; n++) fill(random, world, snapshot.chain(n));
  const type = random.pick(DEVICE_TYPES);
  const context = { features: random.bits64(), queue: 0, queueCount: 2, bigEndian: false };
  const device = deviceOf(random);
  const report: RingReport = {
    target: nastyText(random),
    device,
    queue: { ...device.queues[0], ring: config },
    snapshot,
    chain: (n) => snapshot.chain(n),
    request: (chain) => decodeChain(chain, world.memory, type, { ...context, state: chain.state }),
  };
  safe("ringText", ringText(report, { limit: 16, width: 80 }));
  for (const descriptors of [false, true]) {
    const shown = { limit: 16, columns: random.between(1, 200), descriptors };
    safe("chainListText", chainListText(report, shown));
  }
  if (snapshot.chainCount <= 64) {
    safe("ringJson", ringJson(report), false);
    safe("ringPlainTable", renderPlain(ringPlainTable(report)).replaceAll("\t", " "));
  }
  regions(random, world.memory.table);
}

function fill(random: Random, world: World, { descriptors }: DescriptorChain): void {
  for (const { address, length, status } of descriptors.slice(0, 16)) {
    if (status !== "ok") continue;
    const bytes = nastyBytes(random);
    for (let n = 0; n < Math.min(length, bytes.length); n++) {
      world.write("guest", address + BigInt(n), 1, bytes[n]);
    }
  }
}

function regions(random: Random, table: RegionTable): void {
  const verified = new Map(table.regions.map((region) => [region, nastyText(random)]));
  safe("memoryTable", renderTable(memoryTable(table, verified)));
  const target = nastyText(random);
  safe("memoryJson", memoryJson({ target, time: 0, table, verified }), false);
}
