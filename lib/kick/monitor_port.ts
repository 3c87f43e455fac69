/**
 * Port I/O from outside: QEMU's monitor writes the legacy QUEUE_NOTIFY port for us (HMP `o`). Other
 * than `stop` and `cont` it disturbs nothing else, but it needs a legacy or transitional device, and
 * its write is QEMU's own, so it too is only done when it is asked for by name.
 *
 * @module
 */
import { hex } from "../address.ts";
import { SourceError } from "../errors.ts";
import type { BusPlace, Device } from "../guest/guest.ts";
import type { Monitor } from "../source/source.ts";
import { LEGACY } from "../transport/legacy_pci.ts";
import { isRecord } from "../wire/qmp/message.ts";
import type { Kick, KickProof, KickSide } from "./kick.ts";

/** Functions looked at in one answer to query-pci. */
const FUNCTION_LIMIT = 65536;

/** The kick by a port that the monitor writes. */
export function monitorPortKick(
  monitor: Monitor | undefined,
  device: Pick<Device, "bus" | "ports">,
  queue: number,
  side: KickSide,
): Kick {
  const { bus } = device;
  return {
    name: "monitor-port",
    lastResort: true,
    possible: possible(monitor, device, side),
    describe: () => `monitor: write ${queue} to the legacy notify port of ${bus.id}`,
    send: () => send(monitor, bus, queue),
  };
}

function possible(
  monitor: Monitor | undefined,
  { bus, ports }: Pick<Device, "bus" | "ports">,
  side: KickSide,
): true | string {
  if (side === "call") return "the monitor can kick the device, not call the driver";
  if (monitor === undefined) return "the guest has no monitor that answers";
  if (placeOf(bus) === null) return "the device is not on PCI, and has no ports";
  return ports === false ? MODERN : true;
}

const MODERN = "the device has no ports: it is modern (disable-legacy)";
/** What helps where the device is not what it was, or the guest has not placed its ports. */
const REMEDY = "`guestmem kick TARGET --list` shows the other ways";

interface PciPlace {
  readonly bus: number;
  readonly slot: number;
  readonly function: number;
}

/** `0000:00:03.0` or `00:03.0`; null for anything else. */
function placeOf({ kind, id }: BusPlace): PciPlace | null {
  const match = /^(?:[0-9a-f]{4}:)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(id);
  if (kind !== "pci" || match === null) return null;
  const [bus, slot, fn] = match.slice(1).map((digits) => parseInt(digits, 16));
  return { bus, slot, function: fn };
}

async function send(
  monitor: Monitor | undefined,
  bus: BusPlace,
  queue: number,
): Promise<KickProof> {
  const place = placeOf(bus);
  if (monitor === undefined || place === null) throw unsupported("no monitor, or no PCI device");
  const base = portsOf(await monitor.execute("query-pci"), place);
  if (base === null) throw unsupported(`${bus.id} has no ports: it is modern, or not set up`);
  const port = base + BigInt(LEGACY.queueNotify);
  const line = `o /h ${hex(port)} ${queue}`;
  const said = await monitor.execute("human-monitor-command", { "command-line": line });
  const answer = typeof said === "string" ? said.trim() : "";
  if (answer !== "") throw unsupported(`QEMU's monitor answered "${answer}" to "${line}"`);
  return { evidence: [`monitor wrote 16-bit ${queue} to port ${hex(port)}`] };
}

/** Start of BAR 0 where that is ports. Never throws, whatever the answer. */
function portsOf(reply: unknown, place: PciPlace): bigint | null {
  const waiting: unknown[] = Array.isArray(reply) ? [...reply] : [];
  for (let seen = 0; waiting.length > 0 && seen < FUNCTION_LIMIT; seen++) {
    const item = waiting.shift();
    if (!isRecord(item)) continue;
    const bridge = isRecord(item.pci_bridge) ? item.pci_bridge.devices : undefined;
    for (const list of [item.devices, bridge]) if (Array.isArray(list)) waiting.push(...list);
    if (isAt(item, place)) return barZero(item.regions);
  }
  return null;
}

function isAt(item: Record<string, unknown>, place: PciPlace): boolean {
  return Number(item.bus) === place.bus && Number(item.slot) === place.slot &&
    Number(item.function) === place.function;
}

function barZero(regions: unknown): bigint | null {
  if (!Array.isArray(regions)) return null;
  const bar = regions.find((one) => isRecord(one) && Number(one.bar) === 0 && one.type === "io");
  const address = isRecord(bar) ? Number(bar.address) : NaN;
  return Number.isInteger(address) && address > 0 && address < 0x10000 ? BigInt(address) : null;
}

function unsupported(text: string): SourceError {
  return new SourceError("kick", "monitor-port", "unsupported", text, REMEDY);
}
