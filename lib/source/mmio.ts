/**
 * `mmio:ADDRESS`, inside a guest: a virtio-mmio device by the address of its registers
 * (`mmio:feb00e00`), or by its platform device where that is hidden (`mmio:LNRO0005:00`).
 *
 * Its shared memory regions are found by asking its registers, which means to write to SHMSel: that
 * is done with `--write` only.
 *
 * @module
 */
import { O_RDONLY, O_RDWR } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { Sys } from "../../ffi/sys.ts";
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { Guest } from "../guest/guest.ts";
import { refusal } from "../kick/inside.ts";
import { openMmio, virtioMmioKick } from "../kick/virtio_mmio.ts";
import type { Region } from "../memory/region.ts";
import { enumerateMmio, type MmioTransport } from "../transport/enumerate.ts";
import { readMmio, readMmioRegions } from "../transport/mmio_registers.ts";
import type { SharedRegion } from "../transport/shared_region.ts";
import { type SysfsReader, sysfsReader } from "../transport/sysfs_reader.ts";
import { deviceRegion, InsideAttachment, virtioDevice } from "./inside.ts";
import type { Attachment, AttachOptions, Source, Target } from "./source.ts";

/** The MMIO source. */
export const mmioSource: Source = {
  scheme: "mmio",
  summary: "inside a guest: a virtio-mmio device by its address, its shared memory",
  find: (options) => Promise.resolve().then(() => findDevices(options)),
  attach: (target, options) => Promise.resolve().then(() => attachMmio(target, options)),
};

function findDevices({ sys }: AttachOptions): Guest[] {
  const reader = sysfsReader(sys);
  return enumerateMmio(reader).map((device) => ({
    target: `mmio:${device.address}`,
    name: device.node.name,
    kind: "device",
    pid: null,
    state: device.node.driver ?? "no driver",
    memory: null,
    devices: [describe(device, reader, null)],
    note: "",
  }));
}

function describe({ address, node }: MmioTransport, reader: SysfsReader, target: Target | null) {
  const bus = { kind: "mmio", id: address } as const;
  const interrupts = reader.text("proc/interrupts") ?? "";
  return virtioDevice(bus, node.type, node, { numQueues: null, interrupts, target });
}

function attachMmio(target: Target, options: AttachOptions): Attachment {
  const { sys, write, log } = options;
  const reader = sysfsReader(sys);
  const device = locate(reader, target);
  using undo = new DisposableStack();
  const { regions: announced, note } = ask(sys, device, write);
  if (note !== "") log(note);
  const regions = announced.map((shared) => mapRegion(sys, shared, write, undo));
  return new InsideAttachment({
    target,
    write,
    regions,
    resources: undo.move(),
    look: () => ({ devices: [describe(locate(reader, target), reader, target)], note }),
    kicks: (_, queue, side) => [virtioMmioKick(sys, device, queue.index, side)],
  });
}

function locate(reader: SysfsReader, target: Target): MmioTransport {
  const wanted = target.what.replace(/^0x/i, "").toLowerCase();
  const devices = enumerateMmio(reader);
  const found = devices.find(({ address, node }) =>
    address.toLowerCase() === wanted || node.parent.toLowerCase() === wanted
  );
  if (found !== undefined) return found;
  const names = devices.map(({ address }) => address).join(", ") || "there are none here";
  const text = `no virtio-mmio device at ${target.what}`;
  throw new SourceError("mmio", "look up", "not-found", text, `devices: ${names}`);
}

/** The regions, where we may ask: registers that a driver has claimed are often out of reach. */
function ask(
  sys: Sys,
  device: MmioTransport,
  write: boolean,
): { regions: readonly SharedRegion[]; note: string } {
  if (!write) {
    return { regions: [], note: "shared memory is not asked for: that writes to SHMSel (--write)" };
  }
  try {
    using registers = openMmio(sys, device, true);
    const found = readMmio(registers);
    if (typeof found === "string") return { regions: [], note: found };
    if (found.version === 1) return { regions: [], note: "legacy: no shared memory regions" };
    const { regions, notes } = readMmioRegions(registers);
    return { regions, note: notes.join("; ") };
  } catch (error) {
    if (error instanceof SourceError) return { regions: [], note: error.message };
    const { why, remedy } = refusal(error);
    return {
      regions: [],
      note: [`registers can not be read: ${why}`, remedy].filter(Boolean).join("; "),
    };
  }
}

function mapRegion(
  sys: Sys,
  { id, length, place }: SharedRegion,
  write: boolean,
  undo: DisposableStack,
): Region {
  if (place.kind !== "guest" || place.address + length > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new SourceError("mmio", "map", "unsupported", `region ${id} can not be addressed`);
  }
  const inPage = Number(place.address % BigInt(sys.pageSize));
  try {
    const mapping = undo.use(Mapping.open({
      sys,
      fd: new Fd(sys, sys.open("/dev/mem", write ? O_RDWR : O_RDONLY)),
      offset: Number(place.address) - inPage,
      length: Number(length) + inPage,
      writable: write,
      label: `shared memory ${id}`,
    }));
    return deviceRegion(mapping, `shm${id}`, place.address, inPage);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const text = `region ${id}: ${error.message}`;
    throw new SourceError("mmio", "map", "permission", text, "run as root", { cause: error });
  }
}
