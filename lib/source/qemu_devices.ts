/**
 * Every virtio device of a QEMU with its queues.
 *
 * @module
 */
import { queueName } from "../device/names.ts";
import type { BusPlace, Device, Queue } from "../guest/guest.ts";
import { FEATURE } from "../ring/config.ts";
import { answers, text } from "../wire/qmp/answer.ts";
import {
  otherPlace,
  parsePci,
  type PciFunction,
  pciFunctionOf,
  pciPlace,
  placeQuestions,
  placeReplies,
} from "./qemu_bus.ts";
import { type Command, human, humanText, type QmpMonitor, type Reply } from "./qemu_monitor.ts";
import { commonAddresses, offeredStatus } from "./qemu_offered.ts";
import { type ListedDevice, type NamedDevice, nameDevices } from "./qemu_qom.ts";
import {
  plainQueues,
  type RawQueue,
  vhostQuestion,
  vhostQueues,
  vhostState,
} from "./qemu_queues.ts";
import {
  type DeviceStatus,
  mayAskStatus,
  readStatus,
  statusQuestion,
  unknownStatus,
} from "./qemu_status.ts";
import { type BackEnd, backEndOf, backEndQuestions, networkTypes } from "./qemu_vhost.ts";

/** The devices, and why there are none where they can not be listed. */
export interface DeviceList {
  readonly devices: readonly Device[];
  /** Empty where all is well. */
  readonly note: string;
}

/** virtio device id of the console, whose 64 queues mostly stay unused. */
const CONSOLE = 3;
const LISTING = "x-query-virtio";

/** What has been learnt of a device before its queues are asked for. */
interface Known {
  readonly device: NamedDevice;
  readonly bus: string;
  readonly pci: PciFunction | null;
  readonly backEnd: BackEnd;
  readonly status: DeviceStatus;
}

/** Options. */
export interface DeviceOptions {
  /** Never ask x-query-virtio-status, as with QEMUs that it would abort. For tests. */
  readonly avoidStatus?: boolean;
}

/**
 * Lists devices and queues. Sends nothing that reaches a vhost-user back-end. Throws what the monitor
 * throws; a device that can not be read has a note instead.
 */
export async function readDevices(
  monitor: QmpMonitor,
  options: DeviceOptions = {},
): Promise<DeviceList> {
  const [listing, pci] = await monitor.ask([{ name: LISTING }, { name: "query-pci" }]);
  if (!listing.ok) return { devices: [], note: noListing(listing, monitor) };
  const listed = nameDevices(
    answers(LISTING, listing.value).map((item): ListedDevice => ({
      model: text(item, "name"),
      path: text(item, "path"),
    })),
  );
  const known = await learn(monitor, listed, parsePci(pci), options);
  const devices: Device[] = [];
  for (const one of known) devices.push(await readDevice(monitor, one));
  return { devices: devices.sort(byPlace), note: "" };
}

/** A QEMU without virtio devices answers with an error, too. */
function noListing(reply: Reply & { ok: false }, { version }: QmpMonitor): string {
  if (reply.class !== "CommandNotFound") return "";
  const seen = `${version.major}.${version.minor}.${version.micro}`;
  return `QEMU ${seen} has no x-query-virtio, which came with 7.2: devices are unknown`;
}

/** Everything about all devices but their queues, in few round trips. */
async function learn(
  monitor: QmpMonitor,
  devices: readonly NamedDevice[],
  functions: readonly PciFunction[],
  options: DeviceOptions,
): Promise<Known[]> {
  const networks = devices.some(({ model }) => model === "virtio-net")
    ? await networkTypes(monitor)
    : new Map<string, string>();
  const safe = (device: NamedDevice) =>
    !options.avoidStatus && mayAskStatus(monitor.version, device.model);
  const common = devices.every(safe) ? [] : await readCommonAddresses(monitor);
  const replies = await askEach(monitor, devices, [
    (device) => placeQuestions(device, functions),
    backEndQuestions,
    (device) => safe(device) ? [statusQuestion(device.path)] : [],
  ]);
  const known: Known[] = [];
  for (const [index, device] of devices.entries()) {
    const [where, whose, state] = replies[index];
    const place = placeReplies(where);
    const pci = pciFunctionOf(device, place, functions);
    const status = safe(device)
      ? statusOf(device, state[0])
      : await offeredStatus(monitor, device, pci, common);
    known.push({ device, bus: place.bus, pci, backEnd: backEndOf(whose, networks), status });
  }
  return known;
}

function statusOf(device: NamedDevice, reply: Reply): DeviceStatus {
  return reply.ok ? readStatus(reply.value) : unknownStatus(device, reply);
}

async function readCommonAddresses(monitor: QmpMonitor): Promise<bigint[]> {
  return commonAddresses(humanText((await monitor.ask([human("info mtree -f")]))[0]) ?? "");
}

/** Asks every device every group of questions, all at once; replies by device and group. */
async function askEach(
  monitor: QmpMonitor,
  devices: readonly NamedDevice[],
  groups: readonly ((device: NamedDevice) => Command[])[],
): Promise<Reply[][][]> {
  const asked = devices.map((device) => groups.map((questions) => questions(device)));
  const replies = await monitor.ask(asked.flat(2));
  let at = 0;
  return asked.map((one) => one.map(({ length }) => replies.slice(at, at += length)));
}

async function readDevice(monitor: QmpMonitor, known: Known): Promise<Device> {
  const { device, status, backEnd } = known;
  const [first] = await monitor.ask([vhostQuestion(device.path)]);
  const running = vhostState(first) === "running";
  const queues = await readQueues(monitor, known, running);
  const kind = backEnd.kind ?? (status.vhostUser ? "vhost-user" : "vhost-kernel");
  return {
    name: device.name,
    type: status.type,
    bus: await busPlace(monitor, known),
    status: status.status,
    features: status.features,
    vhost: running || backEnd.kind !== null ? kind : null,
    queues: queues.map((queue) => nameQueue(queue, status, queues.length)),
    ...(known.pci === null ? {} : { ports: known.pci.ports }),
    note: [status.note, iovaNote(status.features)].filter((part) => part !== "").join("; "),
  };
}

/**
 * A device that may get a vhost-user back-end is never asked plainly, not even while none runs: one
 * could start between the two questions.
 */
async function readQueues(
  monitor: QmpMonitor,
  { device, status, backEnd }: Known,
  running: boolean,
): Promise<RawQueue[]> {
  const { queueCount, features } = status;
  if (running) return await vhostQueues(monitor, device.path, queueCount, features);
  if (!backEnd.fragile) return await plainQueues(monitor, device.path, queueCount, features);
  const note = `${backEnd.kind} back-end has not started`;
  return Array.from({ length: queueCount ?? 0 }, (_, index) => ({ index, ring: null, note }));
}

async function busPlace(monitor: QmpMonitor, { pci, bus }: Known): Promise<BusPlace> {
  return pci === null ? await otherPlace(monitor, bus) : pciPlace(pci);
}

function nameQueue(queue: RawQueue, status: DeviceStatus, queueCount: number): Queue {
  const context = { features: status.features, queueCount };
  const name = queueName(status.type, queue.index, context);
  const idle = status.type === CONSOLE && queue.ring?.fetched?.index === 0;
  const note = queue.note === "" && idle
    ? "unused so far: QEMU has fetched nothing from it"
    : queue.note;
  return { index: queue.index, name, ring: queue.ring, note };
}

/** With an IOMMU in between, ring addresses are the device's, not the guest's. */
function iovaNote(features: bigint): string {
  return (features & FEATURE.ACCESS_PLATFORM) === 0n
    ? ""
    : "VIRTIO_F_ACCESS_PLATFORM: addresses pass an IOMMU where the guest has one";
}

function byPlace(a: Device, b: Device): number {
  return order(a.bus.id, b.bus.id) || order(a.name, b.name);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
