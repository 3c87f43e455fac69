/**
 * Looking at things that may vanish while we look.
 *
 * @module
 */
import { isSyscallFailure } from "../errors.ts";

/**
 * What `run` gives, or null where a system call failed: a process and its files may go at any moment,
 * and what may not be read is as if it were not there. Every other error passes.
 */
export function attempt<T>(run: () => T): T | null {
  try {
    return run();
  } catch (error) {
    if (isSyscallFailure(error)) return null;
    throw error;
  }
}
