/**
 * Where a QEMU's devices sit on their buses.
 *
 * @module
 */
import type { BusPlace } from "../guest/guest.ts";
import { isRecord } from "../wire/qmp/message.ts";
import type { Command, QmpMonitor, Reply } from "./qemu_monitor.ts";
import type { NamedDevice } from "./qemu_qom.ts";

/** A PCI function as query-pci lists it. */
export interface PciFunction {
  readonly bus: number;
  readonly slot: number;
  readonly function: number;
  /** `id=` of its `-device`, or empty. */
  readonly id: string;
  /** Bus behind it, where it is a bridge. */
  readonly secondary: number | null;
  /** BAR 0 is ports: a legacy or transitional virtio device. */
  readonly ports: boolean;
  /** Memory BARs that the guest has placed. */
  readonly bars: readonly { readonly start: bigint; readonly end: bigint }[];
}

/** What the object tree says about a device's place. */
interface QomPlace {
  /** `/machine/q35/pcie.0`, `/machine/unattached/device[27]/virtio-mmio-bus.23`. */
  readonly bus: string;
  /** PCI: device number * 8 + function. */
  readonly devfn: number | null;
}

/** PCI functions taken from one answer at most: 256 buses of 256. */
const FUNCTION_LIMIT = 65536;

/**
 * Questions to ask per device; `placeReplies` takes the answers. None where the device's id is enough:
 * QEMU spends a turn of its main loop, for which it competes with the guest, on each.
 */
export function placeQuestions(
  device: NamedDevice,
  functions: readonly PciFunction[],
): Command[] {
  if (functionWithId(device, functions) !== null) return [];
  const get = (property: string) => ({
    name: "qom-get",
    args: { path: device.holder, property },
  });
  return [get("parent_bus"), get("addr")];
}

/** The answers to {@linkcode placeQuestions}. */
export function placeReplies([bus, addr]: readonly (Reply | undefined)[]): QomPlace {
  const devfn = addr?.ok && typeof addr.value === "number" && addr.value >= 0 ? addr.value : null;
  return { bus: bus?.ok && typeof bus.value === "string" ? bus.value : "", devfn };
}

/** The functions in an answer to query-pci, those behind bridges included. Lenient: never throws. */
export function parsePci(reply: Reply): PciFunction[] {
  const found: PciFunction[] = [];
  const waiting: unknown[] = reply.ok && Array.isArray(reply.value) ? [...reply.value] : [];
  while (waiting.length > 0 && found.length < FUNCTION_LIMIT) {
    const bus = waiting.pop();
    if (!isRecord(bus) || !Array.isArray(bus.devices)) continue;
    for (const device of bus.devices) {
      if (!isRecord(device)) continue;
      found.push(functionOf(device));
      if (isRecord(device.pci_bridge)) waiting.push(device.pci_bridge);
    }
  }
  return found;
}

function functionOf(device: Record<string, unknown>): PciFunction {
  const number = (value: unknown) => typeof value === "number" ? value : 0;
  const bridge = isRecord(device.pci_bridge) ? device.pci_bridge : null;
  const regions: unknown[] = Array.isArray(device.regions) ? device.regions : [];
  const bus = bridge !== null && isRecord(bridge.bus) ? bridge.bus : null;
  return {
    bus: number(device.bus),
    slot: number(device.slot),
    function: number(device.function),
    id: typeof device.qdev_id === "string" ? device.qdev_id : "",
    secondary: bus === null ? null : number(bus.secondary ?? bus.number),
    ports: regions.some((region) => isRecord(region) && region.bar === 0 && region.type === "io"),
    bars: regions.flatMap(barOf),
  };
}

/** A BAR that the guest has not placed comes as -1. */
function barOf(region: unknown): { start: bigint; end: bigint }[] {
  if (!isRecord(region) || region.type !== "memory") return [];
  const { address, size } = region;
  const whole = (value: unknown): value is number | bigint =>
    typeof value === "bigint" || Number.isSafeInteger(value);
  if (!whole(address) || !whole(size) || address < 0 || size <= 0) return [];
  return [{ start: BigInt(address), end: BigInt(address) + BigInt(size) }];
}

/** The PCI function of a device: by its id, else by its bus and number. Null where it is none. */
export function pciFunctionOf(
  device: NamedDevice,
  place: QomPlace,
  functions: readonly PciFunction[],
): PciFunction | null {
  const byId = functionWithId(device, functions);
  if (byId !== null || place.devfn === null) return byId;
  const bus = busNumber(place.bus, functions);
  const [slot, fn] = [place.devfn >> 3, place.devfn & 7];
  return functions.find((candidate) =>
    candidate.bus === bus && candidate.slot === slot && candidate.function === fn
  ) ?? null;
}

function functionWithId(
  { holder }: NamedDevice,
  functions: readonly PciFunction[],
): PciFunction | null {
  const id = /^\/machine\/peripheral\/([^/]+)$/.exec(holder)?.[1];
  const found = functions.filter((candidate) => id !== undefined && candidate.id === id);
  return found.length === 1 ? found[0] : null;
}

/** A bus hangs off the device before the last `/`: a bridge with an id, or the host bridge. */
function busNumber(path: string, functions: readonly PciFunction[]): number | null {
  const owner = /^\/machine\/peripheral\/([^/]+)\/[^/]+$/.exec(path)?.[1];
  if (owner !== undefined) return functions.find(({ id }) => id === owner)?.secondary ?? null;
  return /\/(pcie?|pci-bus)\.0$/.test(path) ? 0 : null;
}

/** `0000:00:03.0`: QEMU's x86 machines have one PCI domain. */
export function pciPlace(fn: PciFunction): BusPlace {
  const two = (value: number) => value.toString(16).padStart(2, "0");
  return { kind: "pci", id: `0000:${two(fn.bus)}:${two(fn.slot)}.${fn.function}` };
}

/** Places of devices that are not on PCI: virtio-mmio by the address of its registers, ccw without. */
export async function otherPlace(monitor: QmpMonitor, bus: string): Promise<BusPlace> {
  const transport = /^(.*)\/virtio-mmio-bus\.[0-9]+$/.exec(bus)?.[1];
  if (transport !== undefined) {
    const args = { path: `${transport}/virtio-mmio[0]`, property: "addr" };
    const [reply] = await monitor.ask([{ name: "qom-get", args }]);
    const address = reply.ok ? reply.value : null;
    const known = typeof address === "number" || typeof address === "bigint";
    return { kind: "mmio", id: known ? address.toString(16) : "" };
  }
  return { kind: /virtual-css/.test(bus) ? "ccw" : "none", id: "" };
}
