/**
 * A guest's memory table.
 *
 * @module
 */
import { hex } from "../../lib/address.ts";
import type { Region } from "../../lib/memory/region.ts";
import type { RegionTable } from "../../lib/memory/region_table.ts";
import { dim, green, red } from "./colors.ts";
import { escape } from "./escape.ts";
import { fitTable } from "./fit.ts";
import { jsonLine, timeText } from "./json.ts";
import { sizeText } from "./size.ts";
import type { Cell, Table } from "./table.ts";

/** How reading a region's first and last byte went: `ok`, or the errno. */
export type Verified = ReadonlyMap<Region, string>;

const COLUMNS = [
  { head: "ADDRESS", align: "right" },
  { head: "END", align: "right" },
  { head: "SIZE", align: "right" },
  { head: "ACCESS" },
  { head: "PAGE", align: "right" },
  { head: "NAME" },
  { head: "BACKING" },
  { head: "OFFSET", align: "right" },
  { head: "USER ADDRESS", align: "right" },
  { head: "READ" },
] as const;

/** A row per region, and one per hole between them. `verified` is null where nothing was tried. */
export function memoryTable(table: RegionTable, verified: Verified | null): Table {
  const holes = new Map(table.holes().map(({ start, end }) => [start, end]));
  const rows = table.regions.flatMap((region) => {
    const end = region.guest + region.length;
    const hole = holes.get(end);
    const row = regionRow(region, verified?.get(region));
    return hole === undefined ? [row] : [row, holeRow(end, hole)];
  });
  return { columns: COLUMNS, rows };
}

function regionRow(region: Region, verified: string | undefined): Cell[] {
  const { guest, length, access, backing, name, offset, user } = region;
  const paint = verified === "ok" ? green : red;
  return [
    hex(guest),
    hex(guest + length),
    sizeText(length),
    access,
    sizeText(backing.pageSize),
    name,
    backing.label,
    hex(offset),
    user === null ? "" : hex(user),
    verified === undefined ? "" : { text: verified, paint },
  ];
}

function holeRow(start: bigint, end: bigint): Cell[] {
  const cells = [hex(start), hex(end), sizeText(end - start), "", "", "hole"];
  return [...cells.map((text) => ({ text, paint: dim })), "", "", "", ""];
}

/** The table of a guest's memory as wide as the terminal: without what is least asked for. */
export function memoryText(table: Table, width: number): string {
  return fitTable(table, width, ["PAGE", "OFFSET"]);
}

/** `256M in 2 regions`. */
export function memorySummary({ size, regions }: RegionTable): string {
  return `${sizeText(size)} in ${regions.length} region${regions.length === 1 ? "" : "s"}`;
}

/** The line below the table. Only a device seen from inside its guest may have no memory. */
export function mappedText(target: string, table: RegionTable, rest: string): string {
  return table.regions.length === 0
    ? `${escape(target)} has no shared memory regions: there is nothing to map`
    : memorySummary(table) + rest;
}

/** What {@linkcode memoryJson} is made of. */
export interface MemoryJson {
  readonly target: string;
  readonly time: number;
  readonly table: RegionTable;
  readonly verified: Verified | null;
  /** What was left out or is doubtful: the member is there where there is any. */
  readonly warnings?: readonly string[] | undefined;
}

/** `guestmem/table/1` */
export function memoryJson({ target, time, table, verified, warnings = [] }: MemoryJson): string {
  return jsonLine("guestmem/table/1", {
    target,
    time: timeText(time),
    size: Number(table.size),
    regions: table.regions.map((region) => ({
      address: hex(region.guest),
      length: Number(region.length),
      access: region.access,
      pageSize: region.backing.pageSize,
      name: region.name,
      backing: region.backing.label,
      offset: region.offset,
      userAddress: region.user,
      read: verified?.get(region) ?? null,
    })),
    holes: table.holes().map(({ start, end }) => ({
      address: hex(start),
      length: Number(end - start),
    })),
    ...(warnings.length === 0 ? {} : { warnings }),
  });
}
