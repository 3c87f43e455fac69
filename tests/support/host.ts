/**
 * What tests against the real kernel share. Importing it opens the C library once, before any test
 * runs, so that the resource sanitizer does not count it as a leak of the first test.
 *
 * @module
 */
import { MAP_SHARED, MFD_ALLOW_SEALING, PROT_READ } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { Fd } from "../../ffi/fd.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";

/** The real system calls. */
export const sys: Sys = openSys();

/** A memfd of `length` bytes, all hole, that can still be sealed and truncated. */
export function looseMemfd(length: number, name = "loose"): Fd {
  const fd = new Fd(sys, sys.memfd(name, MFD_ALLOW_SEALING));
  sys.ftruncate(fd.number, length);
  return fd;
}

/** The beginning of a file, mapped read-only without any care. */
export function mapPlainly(fd: Fd, length: number): { address: bigint } & Disposable {
  const address = sys.mmap(length, PROT_READ, MAP_SHARED, fd.number, 0);
  return { address, [Symbol.dispose]: () => sys.munmap(address, length) };
}

/** `length` bytes that differ from their neighbours: (seed + i * 7) mod 251. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (seed + index * 7) % 251);
}

/**
 * The open fds and the mappings of whatever has `name` in its path. Not all of the process's: test
 * files run side by side in threads of one process.
 */
export function holdings(name: string): { fds: number; maps: number } {
  const maps = sys.readText("/proc/self/maps").split("\n");
  return {
    fds: sys.readdir("/proc/self/fd").filter((fd) => linkOf(fd).includes(name)).length,
    maps: maps.filter((line) => line.includes(name)).length,
  };
}

function linkOf(fd: string): string {
  try {
    return sys.readlink(`/proc/self/fd/${fd}`);
  } catch (error) {
    // Another thread closed it meanwhile: then it is not what we look for.
    if (error instanceof SyscallError) return "";
    throw error;
  }
}

let names = 0;

/** A name that no other test uses. */
export function uniqueName(): string {
  return `guestmem-${sys.pid}-${names++}-${crypto.randomUUID().slice(0, 8)}`;
}

/** `import` lines for a module of `ffi/`, to be run by `runAlone`. */
export function importFfi(names: string, file: string): string {
  return `import { ${names} } from "${new URL(`../../ffi/${file}`, import.meta.url)}";\n`;
}

/**
 * Runs a module in a Deno of its own, for what is true of a whole process. Its output, or its error
 * where it fails.
 */
export async function runAlone(code: string, permissions: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--no-lock", ...permissions, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = command.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { stdout, stderr, success } = await command.output();
  return new TextDecoder().decode(success ? stdout : stderr).trim();
}

/** The errno by which `run` fails as a system call; throws when it does not. */
export function errnoFrom(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SyscallError) return error.errno;
    throw error;
  }
  throw new Error("no system call failed");
}

/** A child of this Deno that runs `code`, says one line, and stays until disposed. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Its first line. */
  readonly line: string;
  /** Ends it and waits. Nothing the second time. */
  end(): Promise<void>;
}

/**
 * Starts a child. `code` must print exactly one line; it is kept alive until its stdin closes.
 * `flags` are Deno's own.
 */
export async function startChild(code: string, flags: string[] = []): Promise<Child> {
  const wait = "for await (const _ of Deno.stdin.readable);";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--quiet", ...flags, `${code}\n${wait}`],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  let ending: Promise<void> | null = null;
  const end = () => ending ??= endChild(child, reader);
  return { pid: child.pid, line: text.trimEnd(), end, [Symbol.asyncDispose]: end };
}

async function endChild(
  child: Deno.ChildProcess,
  reader: ReadableStreamDefaultReader<string>,
): Promise<void> {
  await child.stdin.close();
  await reader.cancel();
  await child.status;
}
