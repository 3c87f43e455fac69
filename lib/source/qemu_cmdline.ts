/**
 * What a QEMU's command line says about itself: name, memory, machine, monitors.
 *
 * @module
 */
import { parseNumber } from "../address.ts";

/** Where a QMP monitor of a QEMU is to be found. */
export type MonitorPlace =
  /** A Unix socket it listens on; the path may be relative to its working directory. */
  | { readonly kind: "unix"; readonly path: string }
  /** A listening socket it was given as an fd (libvirt does so). */
  | { readonly kind: "fd"; readonly fd: number }
  /** Anything we can not talk to: `tcp:localhost:4444`, `stdio`. */
  | { readonly kind: "other"; readonly text: string };

/** What is of use in a command line. */
export interface QemuOptions {
  /** `-name`, or empty. */
  readonly name: string;
  /** `-pidfile`, or null. */
  readonly pidFile: string | null;
  /** `-machine` type such as `q35`, `pc-q35-7.2`; null for the default. */
  readonly machine: string | null;
  /** `-m` in bytes; null where it is not given or not understood. */
  readonly memory: bigint | null;
  /** QMP monitors, in the order of the command line. */
  readonly monitors: readonly MonitorPlace[];
  /** Started by libvirt, which keeps the first monitor to itself. */
  readonly libvirt: boolean;
}

/** QEMU's suboptions: `socket,id=a,path=/b,server=on`. `,,` stands for a comma. */
export interface Suboptions {
  /** The first item where it has no `=`: the value of the implied key. */
  readonly first: string | null;
  readonly values: ReadonlyMap<string, string>;
}

/** Arguments looked at; longer command lines are read up to here. */
const ARGUMENT_LIMIT = 65536;

/** Executables that are QEMU system emulators. */
const EMULATOR = /^(qemu-system-[a-z0-9_]+|qemu-kvm|kvm|qemu)$/;

/** Whether a command line, or a process name (which is cut to 15 bytes), is a system emulator's. */
export function isEmulator(argv: readonly string[], comm: string): boolean {
  const program = argv[0]?.slice(argv[0].lastIndexOf("/") + 1) ?? "";
  return EMULATOR.test(program) || EMULATOR.test(comm);
}

/** The arguments in the content of /proc/PID/cmdline. */
export function splitArguments(text: string): string[] {
  const argv = text.split("\0", ARGUMENT_LIMIT);
  if (argv.at(-1) === "") argv.pop();
  return argv;
}

/** Parses suboptions. */
export function parseSuboptions(text: string): Suboptions {
  const items = text.replaceAll(",,", "\0").split(",").map((item) => item.replaceAll("\0", ","));
  const values = new Map<string, string>();
  for (const item of items) {
    const cut = item.indexOf("=");
    if (cut < 0) values.set(item, "on");
    else values.set(item.slice(0, cut), item.slice(cut + 1));
  }
  return { first: items[0].includes("=") ? null : items[0], values };
}

/** Reads the options of a command line. Never throws: what is not understood is left out. */
export function parseOptions(argv: readonly string[]): QemuOptions {
  const options = pairs(argv);
  const last = (...names: string[]) =>
    options.findLast(([name]) => names.includes(name))?.[1] ?? null;
  const name = last("name");
  return {
    name: name === null ? "" : implied(parseSuboptions(name), "guest") ?? "",
    pidFile: last("pidfile"),
    machine: machineType(options),
    memory: memorySize(last("m")),
    monitors: monitorPlaces(options),
    libvirt: options.some(([option, value]) =>
      option === "chardev" && /(^|,)id=charmonitor(,|$)/.test(value)
    ),
  };
}

type Option = readonly [name: string, value: string];

/** Options with what follows them; QEMU takes `-x` and `--x` alike. */
function pairs(argv: readonly string[]): Option[] {
  const list: Option[] = [];
  for (let i = 1; i < argv.length; i++) {
    if (!/^--?[A-Za-z]/.test(argv[i])) continue;
    list.push([argv[i].replace(/^--?/, ""), argv[i + 1] ?? ""]);
  }
  return list;
}

function implied(options: Suboptions, key: string): string | null {
  return options.values.get(key) ?? options.first;
}

function machineType(options: readonly Option[]): string | null {
  const values = options.filter(([name]) => name === "M" || name === "machine").map(([, value]) =>
    implied(parseSuboptions(value), "type")
  );
  return values.findLast((type) => type !== null && type !== "") ?? null;
}

/** `512`, `6G`, `size=6G,slots=4`; a number without suffix is in MiB. */
function memorySize(text: string | null): bigint | null {
  const size = text === null ? null : implied(parseSuboptions(text), "size");
  if (size === null || !/^[0-9]/.test(size)) return null;
  try {
    return parseNumber(/[0-9]$/.test(size) ? `${size}M` : size);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function monitorPlaces(options: readonly Option[]): MonitorPlace[] {
  const chardevs = new Map<string, Suboptions>();
  for (const [name, value] of options) {
    if (name !== "chardev") continue;
    const parsed = parseSuboptions(value);
    chardevs.set(parsed.values.get("id") ?? "", parsed);
  }
  return options.flatMap((option) => monitorPlace(option, chardevs));
}

function monitorPlace(
  [name, value]: Option,
  chardevs: ReadonlyMap<string, Suboptions>,
): MonitorPlace[] {
  if (name === "qmp" || name === "qmp-pretty") {
    if (value === "none") return [];
    const id = /^chardev:(.*)$/s.exec(value)?.[1];
    return [id === undefined ? legacyPlace(value) : chardevPlace(chardevs.get(id), value)];
  }
  if (name !== "mon") return [];
  const monitor = parseSuboptions(value);
  if (monitor.values.get("mode") !== "control") return [];
  return [chardevPlace(chardevs.get(implied(monitor, "chardev") ?? ""), value)];
}

/** `unix:PATH,server=on,wait=off`: the short form of a chardev. */
function legacyPlace(value: string): MonitorPlace {
  const path = /^unix:((?:[^,]|,,)*)/.exec(value)?.[1].replaceAll(",,", ",");
  const options = parseSuboptions(value).values;
  return path === undefined || !listens(options) || options.get("abstract") === "on"
    ? { kind: "other", text: value }
    : { kind: "unix", path };
}

function chardevPlace(chardev: Suboptions | undefined, text: string): MonitorPlace {
  const other: MonitorPlace = { kind: "other", text };
  if (chardev?.first !== "socket" || !listens(chardev.values)) return other;
  const fd = chardev.values.get("fd");
  if (fd !== undefined && /^[0-9]{1,9}$/.test(fd)) return { kind: "fd", fd: Number(fd) };
  const path = chardev.values.get("path");
  return path === undefined || chardev.values.get("abstract") === "on"
    ? other
    : { kind: "unix", path };
}

/** Without `server` QEMU connects out, and there is no place for a client. */
function listens(options: ReadonlyMap<string, string>): boolean {
  return ["on", "yes", "true"].includes(options.get("server") ?? "");
}
