/**
 * What the tests in dom0 share: two guests that xl makes, and what their consoles say. Importing this
 * makes the guests, paused.
 *
 * @module
 */
import { awaitConsole as awaitLog, HERE, run } from "./xl.ts";

export { run, sys, textOf } from "./xl.ts";

/** A guest that xl made. */
export interface XlGuest {
  readonly name: string;
  readonly domain: number;
}

/** Makes a paused guest of a configuration beside this file; `settings` are lines of another. */
export async function createPaused(
  configuration: string,
  name = `${configuration}1`,
  ...settings: string[]
): Promise<XlGuest> {
  const create = () => run("xl", "create", "-q", "-p", `${HERE}${configuration}.cfg`, ...settings);
  // libxl gives a console ten seconds, which a starved machine may not have.
  await create().catch(create);
  return { name, domain: Number(await run("xl", "domid", name)) };
}

/** Back-end drivers and disks. */
async function loadBackends(): Promise<void> {
  await run("insmod", "/lib/modules/brd.ko", "rd_nr=2", "rd_size=8192");
  await run("insmod", "/lib/modules/xen-blkback.ko");
  await run("insmod", "/lib/modules/xen-netback.ko");
}

function logOf({ name }: XlGuest): string {
  return `/var/log/xen/guest-${name}.log`;
}

/** Lines of a guest's console. */
export function consoleLog(guest: XlGuest): string {
  return Deno.readTextFileSync(logOf(guest)).replaceAll("\r", "");
}

/** Waits until a guest's console has a line. */
export async function awaitConsole(guest: XlGuest, line: RegExp, seconds = 120): Promise<void> {
  await awaitLog(logOf(guest), line, seconds);
}

/** What `sharer` said in a guest. */
export interface Shared {
  readonly writable: number[];
  readonly readOnly: number[];
  readonly other: number[];
  /** Guest frames of the writable pages. */
  readonly frames: number[];
  readonly ringRef: number;
  /** Guest frame of the same page. */
  readonly ringFrame: number;
  readonly port: number;
  readonly plainFrame: number;
}

/** Parses the console of a guest that is ready. */
export function sharedBy(guest: XlGuest): Shared {
  const log = consoleLog(guest);
  const all = (pattern: RegExp, base = 10) =>
    [...log.matchAll(pattern)].map(([, value]) => parseInt(value, base));
  return {
    writable: all(/GRANT rw ref=(\d+)/g),
    readOnly: all(/GRANT ro ref=(\d+)/g),
    other: all(/GRANT other ref=(\d+)/g),
    frames: all(/GRANT rw ref=\d+ pfn=([0-9a-f]+)/g, 16),
    ringRef: all(/VIRTQUEUE ring=(\d+)/g)[0],
    ringFrame: all(/GRANT virtqueue ref=\d+ pfn=([0-9a-f]+)/g, 16)[0],
    port: all(/PORT port=(\d+)/g)[0],
    plainFrame: all(/PLAIN pfn=([0-9a-f]+)/g, 16)[0],
  };
}

/** Remembers a line that the live test prints at its end. */
export function measured(text: string): void {
  Deno.writeTextFileSync("/tmp/measured", `${text}\n`, { append: true });
}

await loadBackends();
/** A paravirtual guest. */
export const pv: XlGuest = await createPaused("pv");
/** A guest of the kind PVH: hardware virtualisation without a device model. */
export const pvh: XlGuest = await createPaused("pvh");
/** What each said on its console, from the test on that starts them. */
export const shared: Map<XlGuest, Shared> = new Map();
