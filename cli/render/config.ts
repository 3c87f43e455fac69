/**
 * How a device is set up.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { DeviceType } from "../../lib/device/decoder.ts";
import { featureNames, statusNames } from "../../lib/device/features.ts";
import type { Device, DeviceArea, Queue } from "../../lib/guest/guest.ts";
import { bold } from "./colors.ts";
import { deviceTypeText } from "./device.ts";
import { escape } from "./escape.ts";
import { fitTable, wrapTable } from "./fit.ts";
import { jsonLine } from "./json.ts";
import { wrap } from "./line.ts";
import { type Cell, renderPlain, type Table } from "./table.ts";

/** A device, the guest's target, and what is known of its type. */
export interface ConfigView {
  readonly guest: string;
  readonly device: Device;
  readonly type: DeviceType | null;
}

const COLUMNS = [
  { head: "QUEUE" },
  { head: "RING" },
  { head: "DESCRIPTOR", align: "right" },
  { head: "DRIVER", align: "right" },
  { head: "DEVICE", align: "right" },
  { head: "KICK FD", align: "right" },
  { head: "CALL FD", align: "right" },
  { head: "NOTE" },
  { head: "TARGET" },
] as const;

const AREA_COLUMNS = [
  { head: "AREA" },
  { head: "BAR", align: "right" },
  { head: "OFFSET", align: "right" },
  { head: "LENGTH", align: "right" },
  { head: "MULTIPLIER", align: "right" },
  { head: "NOTE" },
] as const;

/** Columns that a narrow terminal does without, first to go first: `--json` has all. */
const SPARE = ["CALL FD", "KICK FD", "NOTE", "DEVICE", "DRIVER"];

/** Several lines, without line end, at most `width` wide where that can be. */
export function configText(view: ConfigView, width = Infinity): string {
  const { guest, device, type } = view;
  const { bus, status, features, vhost, note } = device;
  const place = bus.kind === "none" ? "" : ` at ${bus.kind} ${bus.id}`;
  const path = vhost === null ? "" : `, data path in ${vhost}`;
  const what = escape(`${deviceTypeText(device)}${place}${path}`.trim());
  const lines = [
    bold(escape(`${guest}/${device.name}`)) + (what === "" ? "" : `  ${what}`),
    `status    ${status === null ? "not known" : statusNames(status).join(" ")}`,
    `features  ${areFeaturesKnown(device) ? featuresText(type, features) : "not known"}`,
    ...note === "" ? [] : [`note      ${escape(note)}`],
  ];
  const queues = fitTable(queueTable(view), width, SPARE);
  const areas = wrapTable(areaTable(device.areas ?? []), width);
  return [lines.flatMap((line) => wrap(line, width)).join("\n"), queues, areas].filter((part) =>
    part !== ""
  ).join("\n\n");
}

function featuresText(type: DeviceType | null, features: bigint): string {
  return `${hex(features)}: ${featureNames(type, features).join(" ") || "none"}`;
}

/** A source that can tell neither status nor features gives none of either. */
function areFeaturesKnown({ status, features }: Device): boolean {
  return status !== null || features !== 0n;
}

/** Where the device's registers are, notify areas with what a queue's offset is multiplied by. */
function areaTable(areas: readonly DeviceArea[]): Table {
  return {
    columns: AREA_COLUMNS,
    rows: areas.map(({ name, bar, offset, length, multiplier, note }) => [
      name,
      String(bar),
      hex(offset),
      hex(length),
      multiplier === null ? "" : String(multiplier),
      note,
    ]),
  };
}

/** A line per queue, for awk. */
export function configPlain(view: ConfigView): string {
  return renderPlain(queueTable(view));
}

function queueTable({ guest, device }: ConfigView): Table {
  return { columns: COLUMNS, rows: device.queues.map((queue) => queueRow(guest, device, queue)) };
}

function queueRow(
  guest: string,
  device: Device,
  { index, name, ring, note, notifier }: Queue,
): Cell[] {
  const fd = (number: number | null | undefined) =>
    number === null || number === undefined ? "" : String(number);
  const areas = ring === null
    ? ["", "", "", ""]
    : [`${ring.format} ${ring.size}`, hex(ring.descriptor), hex(ring.driver), hex(ring.device)];
  const target = `${guest}/${device.name}:${index}`;
  return [name, ...areas, fd(notifier?.kickFd), fd(notifier?.callFd), note, target];
}

/** `guestmem/config/1` */
export function configJson({ guest, device, type }: ConfigView): string {
  return jsonLine("guestmem/config/1", {
    target: `${guest}/${device.name}`,
    ...device,
    statusNames: device.status === null ? null : statusNames(device.status),
    features: areFeaturesKnown(device) ? hex(device.features) : null,
    featureNames: featureNames(type, device.features),
    queues: device.queues.map((queue) => ({
      target: `${guest}/${device.name}:${queue.index}`,
      ...queue,
      notifier: queue.notifier ?? null,
    })),
  });
}
