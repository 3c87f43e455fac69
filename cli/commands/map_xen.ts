/**
 * What `guestmem map` does for Xen beyond a whole guest: lists of grants and frames, and offers.
 *
 * @module
 */
import { parseTarget } from "../../lib/guest/target.ts";
import { parseDomain } from "../../lib/xen/host.ts";
import { isRunning, mapFrameList, mapGrantList, type MappedList } from "../../lib/xen/map_list.ts";
import type { DomainPart } from "../../lib/source/source.ts";
import { parseNumberList } from "../../lib/xen/number_list.ts";
import { offerPages } from "../../lib/xen/offer.ts";
import { HIGHEST } from "../../lib/xen/part.ts";
import { type Context, interrupted, UsageError } from "../context.ts";
import { EXIT } from "../failure.ts";
import { jsonLine, timeText } from "../render/json.ts";
import { mapListJson, mapListTable, printable } from "../render/map_list.ts";
import { plural } from "../render/size.ts";
import { renderPlain, renderTable } from "../render/table.ts";

/** Options of `map` that mean Xen. */
export interface XenMapOptions {
  readonly frames?: string | undefined;
  readonly machine?: true | undefined;
  readonly grants?: string | undefined;
  /** true: no port was given. */
  readonly notifyOnUnmap?: string | true | undefined;
  readonly offer?: string | undefined;
  readonly pages: number;
  readonly text: string;
  readonly write?: true | undefined;
  readonly yes?: true | undefined;
  readonly hold?: true | undefined;
  readonly json?: true | undefined;
  readonly plain?: true | undefined;
}

/** Whether the options ask for one of these. */
export function isXenMap({ frames, grants, offer }: XenMapOptions): boolean {
  return frames !== undefined || grants !== undefined || offer !== undefined;
}

/** Does what the options ask for. Throws `UsageError` for those that do not go together. */
export async function mapXen(
  context: Context,
  target: string | undefined,
  options: XenMapOptions,
): Promise<void> {
  refuseTwo(options);
  if (options.offer !== undefined) return await offer(context, target, options, options.offer);
  const domain = domainOf(target);
  await confirmXenWrite(context, [target as string], options);
  const [kind, list] = options.grants !== undefined ? ["grant", options.grants] as const : [
    "frame",
    options.frames as string,
  ] as const;
  const numbers = parseList(list, kind === "grant" ? HIGHEST.grants : HIGHEST.frames);
  const write = options.write === true;
  using mapped = kind === "grant"
    ? mapGrantList(numbers, { domain, write }, noticeOf(options))
    : mapFrameList(numbers, { domain, write, machine: options.machine === true });
  await show(context, target as string, kind, mapped, options);
  if (mapped.mapped < numbers.length) context.exit(EXIT.failed);
  if (options.hold && mapped.mapped > 0) await interrupted(context.signal);
}

function refuseTwo({ frames, grants, offer }: XenMapOptions): void {
  const asked = [frames, grants, offer].filter((text) => text !== undefined);
  if (asked.length > 1) throw new UsageError("--frames, --grants and --offer exclude each other");
}

/** The list that a session shall hold; null for all of a guest. Throws `UsageError`. */
export function partOf(options: XenMapOptions): DomainPart | null {
  refuseTwo(options);
  const { frames, grants, offer, machine, notifyOnUnmap } = options;
  if (offer !== undefined) throw new UsageError("an offer is held until Ctrl-C, not by a session");
  if (notifyOnUnmap !== undefined) {
    throw new UsageError("--notify-on-unmap is for --grants with --hold, not in a session");
  }
  if (grants !== undefined) return { kind: "grants", list: checked(grants, HIGHEST.grants) };
  if (frames === undefined) return null;
  return {
    kind: machine ? "machine-frames" : "frames",
    list: checked(frames, HIGHEST.frames),
  };
}

function checked(list: string, highest: number): string {
  parseList(list, highest);
  return list;
}

function domainOf(text: string | undefined): number {
  if (text === undefined) throw new UsageError("missing target", "want xen:DOMID");
  const target = parseTarget(text, () => false);
  if (target.scheme === "xen") return parseDomain(target.what);
  throw new UsageError(`${text}: frames and grants are Xen's`, "want xen:DOMID");
}

function parseList(text: string, highest: number): number[] {
  try {
    return parseNumberList(text, highest);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(error.message);
    throw error;
  }
}

function noticeOf({ notifyOnUnmap, write }: XenMapOptions) {
  if (notifyOnUnmap === undefined) return null;
  if (notifyOnUnmap === true) {
    if (write) return { port: null };
    throw new UsageError("--notify-on-unmap without a port clears a byte, which needs --write");
  }
  if (/^[0-9]{1,6}$/.test(notifyOnUnmap)) return { port: Number(notifyOnUnmap) };
  throw new UsageError(`"${notifyOnUnmap}" is no event channel port`);
}

/**
 * Writing to a guest that runs is a race with it: a script must say that it is meant. `texts` are
 * targets, and what `--add` takes; those that are no domain of Xen pass. Throws `UsageError`.
 */
export async function confirmXenWrite(
  context: Context,
  texts: readonly string[],
  { write, yes }: Pick<XenMapOptions, "write" | "yes">,
): Promise<void> {
  if (!write || yes) return;
  const domains = texts.flatMap((text) => /(?:^|=)xen:([0-9]+)/.exec(text)?.[1] ?? []);
  const running = domains.map(parseDomain).filter((domain) => isRunning(domain));
  if (running.length === 0) return;
  const what = `domain ${running[0]} is running, and --write maps its memory writable`;
  if (!context.terminal || !Deno.stdin.isTerminal()) {
    throw new UsageError(what, "say --yes if that is meant, or `xl pause` it first");
  }
  await context.print(what);
  if (!confirm("Go on?")) throw new UsageError("not confirmed");
}

/** How a mapping ends, for the last line; of a domain the hold has a price. */
export function endText(hold: boolean, target: string): string {
  if (!hold) return "unmapped";
  const price = target.startsWith("xen:")
    ? "; the domain can not go away completely meanwhile"
    : "";
  return `held until Ctrl-C${price}`;
}

async function show(
  context: Context,
  target: string,
  kind: "grant" | "frame",
  { entries, mapped }: MappedList,
  options: XenMapOptions,
): Promise<void> {
  const held = options.hold === true && mapped > 0;
  if (options.json) {
    const time = timeText(Date.now());
    const body = { target, time, kind, write: options.write === true, held, mapped };
    const json = { ...body, entries: mapListJson(entries) };
    return await context.print(jsonLine("guestmem/map-list/1", json));
  }
  const table = mapListTable(entries, kind);
  if (options.plain) return await context.print(renderPlain(table));
  await context.print(
    `${renderTable(table)}\n${mapped} of ${plural(entries.length, kind)} mapped ` +
      `${options.write ? "writable" : "read-only"}; ${endText(held, target)}`,
  );
}

async function offer(
  context: Context,
  target: string | undefined,
  options: XenMapOptions,
  text: string,
): Promise<void> {
  if (target !== undefined) throw new UsageError("--offer takes a domain and no target");
  const domain = parseDomain(text.replace(/^xen:/, ""));
  const { pages: count, text: content, write } = options;
  using pages = offerPages({ domain, count, writable: write === true, text: content });
  const list = pages.refs.join(",");
  if (options.json) {
    const body = { domain, references: pages.refs, write: write === true };
    await context.print(jsonLine("guestmem/offer/1", body));
  } else {
    const rights = write ? "writable" : "read-only";
    await context.print([
      `offered ${plural(count, "page")} to domain ${domain}, ${rights}: references ${list}`,
      `there: guestmem map xen:OUR_DOMID --grants ${list} --hold`,
      "held until Ctrl-C",
    ].join("\n"));
  }
  await interrupted(context.signal);
  if (!options.json) {
    await context.print(`first page at the end: "${printable({ preview: pages.preview() })}"`);
  }
}
