/**
 * The file that a capture is written to.
 *
 * @module
 */
import { O_CREAT, O_TRUNC, O_WRONLY } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { openSys, type Sys } from "../../ffi/sys.ts";

/** Readable by its owner only: packets hold secrets as memory does. */
const MODE = 0o600;

/** An open file. */
export interface CaptureFile extends Disposable {
  /** Writes all of it at the end. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/**
 * Opens a file or a named pipe and empties it. A pipe waits for its reader here. Throws the runtime's
 * error, or one that names the call and has a failed system call as its cause.
 */
export async function openCaptureFile(path: string): Promise<CaptureFile> {
  try {
    // Off the main thread: while a pipe waits, Ctrl-C still ends us.
    const options = { write: true, create: true, truncate: true, mode: MODE };
    return runtimeFile(path, await Deno.open(path, options));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    return systemFile(path, openSys());
  }
}

function runtimeFile(path: string, file: Deno.FsFile): CaptureFile {
  return {
    write: (bytes) =>
      naming(`write ${path}`, async () => {
        for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
      }),
    [Symbol.dispose]: () => file.close(),
  };
}

/** The runtime opens nothing under /dev, /dev/shm included, with less than every permission. */
async function systemFile(
  path: string,
  sys: Pick<Sys, "open" | "write" | "close">,
): Promise<CaptureFile> {
  const open = () => sys.open(path, O_WRONLY | O_CREAT | O_TRUNC, MODE);
  const fd = new Fd(sys, await naming("capture", open));
  return {
    write: (bytes) =>
      naming(`write ${path}`, () => {
        for (let done = 0; done < bytes.length;) {
          done += sys.write(fd.number, bytes.subarray(done));
        }
      }),
    [Symbol.dispose]: () => fd.close(),
  };
}

async function naming<T>(call: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new Error(call, { cause: error });
  }
}
