/**
 * What `find` shows.
 *
 * @module
 */
import type { Device, Guest, Queue } from "../../lib/guest/guest.ts";
import type { Found } from "../../lib/source/attach.ts";
import { deviceTypeText } from "./device.ts";
import { escape } from "./escape.ts";
import { fitTable } from "./fit.ts";
import { jsonLine, timeText } from "./json.ts";
import { wrap } from "./line.ts";
import { sizeText } from "./size.ts";
import { type Cell, renderPlain, type Table } from "./table.ts";

const COLUMNS = [
  { head: "KIND" },
  { head: "NAME" },
  { head: "STATE" },
  { head: "MEMORY", align: "right" },
  { head: "DEVICE" },
  { head: "QUEUE" },
  { head: "RING" },
  { head: "NOTE" },
  { head: "TARGET" },
] as const;
const NOTE = COLUMNS.findIndex(({ head }) => head === "NOTE");

/** A row per guest, device without queues, and queue, each with everything in it: for `--plain`. */
export function findPlain(guests: readonly Guest[]): string {
  return renderPlain(findTable(guests, true));
}

/** Columns that a narrow terminal does without, first to go first: a target tells its device's type. */
const SPARE = ["DEVICE", "STATE", "RING", "MEMORY", "NAME"];

/**
 * The same for a person: the guest is said once, and long notes stand below the table. Columns that
 * do not fit into `width` are left out, the target never.
 */
export function findText(guests: readonly Guest[], width = Infinity): string {
  const { columns, rows } = findTable(guests, false);
  const notes: string[] = [];
  const short = rows.map((row) => row.map((cell, i) => i === NOTE ? refer(cell, notes) : cell));
  const below = notes.flatMap((note, i) => wrap(`[${i + 1}] ${escape(note)}`, width));
  return [fitTable({ columns, rows: short }, width, SPARE), ...below].join("\n");
}

/** Characters of a note that fit into the table. */
const NOTE_WIDTH = 24;

function refer(cell: Cell, notes: string[]): Cell {
  const note = cell as string;
  if (note.length <= NOTE_WIDTH) return note;
  if (!notes.includes(note)) notes.push(note);
  return `[${notes.indexOf(note) + 1}]`;
}

function findTable(guests: readonly Guest[], filled: boolean): Table {
  return { columns: COLUMNS, rows: guests.flatMap((guest) => guestRows(guest, filled)) };
}

function guestRows(guest: Guest, filled: boolean): Cell[][] {
  const memory = guest.memory === null ? "" : sizeText(guest.memory);
  const head = [guest.kind, guest.name, guest.state, memory];
  const lead = filled ? head : ["", "", "", ""];
  return [
    [...head, "", "", "", guest.note, guest.target],
    ...guest.devices.flatMap((device) =>
      deviceRows(guest, device, filled).map((row) => [...lead, ...row])
    ),
  ];
}

function deviceRows({ target }: Guest, device: Device, filled: boolean): Cell[][] {
  const type = deviceTypeText(device);
  const place = `${target}/${device.name}`;
  const note = [device.vhost ?? "", device.note].filter((text) => text !== "").join("; ");
  if (device.queues.length === 0) return [[type, "", "", note, place]];
  const groups = filled ? device.queues.map((queue) => [queue]) : alike(device.queues);
  return groups.map((group) => {
    const [first] = group;
    const last = group[group.length - 1];
    const notes = [note, first.note].filter((text) => text !== "").join("; ");
    return first === last
      ? [type, `${first.index} (${first.name})`, ringText(first), notes, `${place}:${first.index}`]
      : [type, `${first.index} to ${last.index}`, "", notes, place];
  });
}

/** Queues in a row with the same note together: a serial device has dozens that nobody set up. */
function alike(queues: readonly Queue[]): Queue[][] {
  const groups: Queue[][] = [];
  for (const queue of queues) {
    const group = groups.at(-1);
    if (group !== undefined && queue.note !== "" && group[0].note === queue.note) group.push(queue);
    else groups.push([queue]);
  }
  return groups;
}

function ringText({ ring }: Queue): string {
  return ring === null ? "" : `${ring.format} ${ring.size}`;
}

/** `guestmem/find/1` */
export function findJson(found: Found, time: number): string {
  return jsonLine("guestmem/find/1", {
    time: timeText(time),
    guests: found.guests.map(guestJson),
    problems: found.problems,
  });
}

function guestJson(guest: Guest): Record<string, unknown> {
  const memory = guest.memory === null ? null : Number(guest.memory);
  return { ...guest, memory, devices: guest.devices.map((device) => deviceJson(guest, device)) };
}

function deviceJson({ target }: Guest, device: Device): Record<string, unknown> {
  const queues = device.queues.map((queue) => ({
    target: `${target}/${device.name}:${queue.index}`,
    index: queue.index,
    name: queue.name,
    note: queue.note,
    format: queue.ring?.format ?? null,
    size: queue.ring?.size ?? null,
  }));
  return { target: `${target}/${device.name}`, ...device, queues };
}
