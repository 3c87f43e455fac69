/**
 * Layout files as nobody should write them: each field replaced by what it is not, and each byte by
 * another.
 *
 * @module
 */
import { guestAddress } from "../../lib/address.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { BufferBacking } from "../../lib/memory/backing.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { type Layout, layoutDevices, parseLayout } from "../../lib/source/layout.ts";
import { Random } from "./random.ts";
import { nastyText } from "./nasty.ts";

const SINGLE = {
  format: "ring-image/1",
  memory: [{ file: "ram.raw", gpa: "0x0", size: 65536, offset: 0, user_address: "0x7f0000000000" }],
  layout: "split",
  features: "0x110000000",
  queue_size: 8,
  desc: "0x1000",
  avail: "0x2000",
  used: "0x3000",
  last_avail_idx: 0,
};

const SEVERAL = {
  format: "ring-image/1",
  name: "two devices",
  kind: "demo",
  memory: [
    { memfd: "low", gpa: 0, size: "0x8000" },
    { fd: 7, gpa: "0x100000000", size: 32768, offset: 4096 },
    { address: "0x7f0000000000", gpa: "0x200000000", size: 4096 },
  ],
  features: "0x510000000",
  devices: [
    {
      name: "blk0",
      type: "blk",
      bus: "pci",
      bus_id: "0000:00:03.0",
      status: 15,
      queues: [{
        layout: "packed",
        queue_size: 12,
        desc: "0x1000",
        driver: "0x2000",
        device: "0x3000",
        last_avail_idx: 3,
        avail_wrap_counter: 0,
        last_used_idx: 2,
        used_wrap_counter: true,
        address_space: "guest",
        kick_fd: 3,
        call_fd: 4,
      }],
      waiting: [{ index: 1, note: "not yet" }],
    },
    { type: 1, queues: [] },
  ],
};

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Throws where a layout is not taken or refused as the parser says it does. */
export function fuzzLayout(seed: number): void {
  const random = new Random(seed);
  const whole = structuredClone(random.oneIn(2) ? SINGLE : SEVERAL) as Json;
  for (let n = random.below(6); n > 0; n--) damage(random, whole);
  const text = damagedText(random, JSON.stringify(whole));
  const layout = parsed(text);
  if (layout === null) return;
  const devices = layoutDevices(layout, random.oneIn(2) ? 1 : null);
  const memory = smallMemory();
  for (const { ring } of devices.flatMap(({ queues }) => queues)) {
    if (ring === null) continue;
    const snapshot = openRing(memory, ring).snapshot();
    for (let n = 0; n < Math.min(snapshot.chainCount, 64); n++) snapshot.chain(n);
  }
}

function parsed(text: string): Layout | null {
  try {
    return parseLayout(text);
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** 64 KiB of ones: rings in it say the oddest things. */
function smallMemory(): GuestMemory {
  const bytes = new Uint8Array(0x10000).fill(0xff);
  bytes.fill(0x81, 0x1000, 0x2000);
  const backing = new BufferBacking(bytes.buffer);
  const length = BigInt(bytes.length);
  const common = { length, backing, offset: 0, access: "ro" as const, user: null };
  return new GuestMemory(new RegionTable([{ ...common, guest: guestAddress(0), name: "small" }]));
}

/** Replaces, drops or adds one member somewhere. */
function damage(random: Random, root: Json): void {
  const places = containers(root);
  const place = random.pick(places);
  if (Array.isArray(place)) {
    if (random.oneIn(3)) place.push(structuredClone(random.oneIn(2) ? place[0] ?? null : root));
    else if (place.length > 0) place[random.below(place.length)] = value(random);
    return;
  }
  const names = Object.keys(place);
  const name = random.oneIn(4) ? random.pick(NAMES) : random.pick(names.length > 0 ? names : NAMES);
  if (random.oneIn(4)) delete place[name];
  else place[name] = value(random);
}

const NAMES = [
  "__proto__",
  "constructor",
  "toString",
  "file",
  "fd",
  "devices",
  "queues",
  "desc",
  "",
];

function containers(value: Json): (Json[] | { [name: string]: Json })[] {
  if (value === null || typeof value !== "object") return [];
  return [value, ...Object.values(value).flatMap(containers)];
}

function value(random: Random): Json {
  switch (random.below(8)) {
    case 0:
      return random.pick([null, true, false, -1, 0, 0.5, 1e308, 2 ** 53, 2 ** 64, -0]);
    case 1:
      return "0x" + random.odd64().toString(16);
    case 2:
      return String(random.odd64());
    case 3:
      return random.odd32();
    case 4:
      return nastyText(random);
    case 5:
      return random.pick<Json>([[], {}, [[]], [null], { a: { b: {} } }]);
    case 6:
      return random.pick([
        "split",
        "packed",
        "user",
        "guest",
        "blk",
        "net",
        "pci",
        "x".repeat(9999),
      ]);
    default:
      return random.odd16();
  }
}

/** Now and then the text is no JSON any more. */
function damagedText(random: Random, text: string): string {
  if (!random.oneIn(4)) return text;
  const at = random.below(text.length + 1);
  switch (random.below(4)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + nastyText(random) + text.slice(at);
    case 2:
      return text.slice(0, at) + "[".repeat(random.below(20_000)) + text.slice(at);
    default:
      return text.slice(0, at) + text.slice(at + 1);
  }
}
