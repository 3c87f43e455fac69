/**
 * What tests against the real kernel share. Importing it opens the C library once, before any test
 * runs, so that the resource sanitizer does not count it as a leak of the first test.
 *
 * @module
 */
import { MFD_ALLOW_SEALING } from "../../ffi/constants.ts";
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

/** `length` bytes that differ from their neighbours: (seed + i * 7) mod 251. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => (seed + index * 7) % 251);
}

/** What holds a process's resources: its open fds and the lines of its memory map. */
export function holdings(): { fds: number; maps: number } {
  const maps = sys.readText("/proc/self/maps");
  return {
    fds: sys.readdir("/proc/self/fd").length,
    // Only what guestmem maps: the runtime's own heap comes and goes.
    maps: maps.split("\n").filter((line) => /memfd:|\/tmp\/|hugepage/.test(line)).length,
  };
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

/** Starts a child. `code` must print exactly one line; it is kept alive until its stdin closes. */
export async function startChild(code: string): Promise<Child> {
  const wait = "for await (const _ of Deno.stdin.readable);";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--quiet", `${code}\n${wait}`],
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
