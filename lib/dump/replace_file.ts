/**
 * Writing a file that is either complete or not there.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/**
 * Lets `fill` write a new file beside `path` and gives it that name at the end. When `fill` throws
 * nothing is left behind and an older `path` is untouched. The file is readable by its owner only:
 * guest memory holds secrets. Throws what `fill` throws, `Deno.errors` from the file, and Error where
 * `path` is a device, a pipe or a directory.
 */
export async function replaceFile<T>(
  path: string,
  fill: (file: Deno.FsFile) => Promise<T>,
): Promise<T> {
  const final = await destination(path);
  const temporary = `${final}.partial-${Deno.pid}`;
  const file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
  let complete = false;
  try {
    const result = await fill(file);
    await Deno.rename(temporary, final);
    complete = true;
    return result;
  } finally {
    file.close();
    if (!complete) await Deno.remove(temporary);
  }
}

/** The file to replace: behind a symbolic link, and never a device or a directory. */
async function destination(path: string): Promise<string> {
  const info = await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  });
  if (info === null) return path;
  if (!info.isFile) throw new Error(`${path}: not a regular file, so it can not be replaced`);
  return await Deno.realPath(path);
}

/** Lets signals and timers in between two pieces of work. Throws the signal's reason when aborted. */
export async function breathe(signal: AbortSignal | null): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
