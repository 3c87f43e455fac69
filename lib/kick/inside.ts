/**
 * What the ways to notify from inside a guest share: they write to registers that the kernel may keep
 * to itself.
 *
 * @module
 */
import { isSyscallFailure } from "../errors.ts";
import type { Kick } from "./kick.ts";

/** Why registers can not be opened, and what would help. */
export interface Refusal {
  readonly why: string;
  readonly remedy: string;
}

/** The kernel keeps registers that a driver has claimed to itself (CONFIG_IO_STRICT_DEVMEM). */
const CLAIMED: Refusal = {
  why: "the kernel keeps registers that a driver has claimed to itself",
  remedy: "boot with iomem=relaxed, or unbind the driver",
};

/** Why `--call` has no way here. */
export const NO_CALL = "inside a guest only the device itself can call the driver";

/** What helps where the device itself gives no way. */
export const FROM_HOST = "notify it from the host: guestmem kick qemu:PID/DEVICE:QUEUE";

/** A way whose possibility is looked into when it is asked for, and only once. */
export function registerWay(
  way: Pick<Kick, "name" | "describe" | "send"> & {
    /** Of a reason without a remedy of its own. */
    readonly remedy: string;
    look(): true | string | Refusal;
  },
): Kick {
  const { name, describe, send, look } = way;
  let answer: true | string | Refusal | undefined;
  const seen = () => answer ??= look();
  return {
    name,
    lastResort: false,
    get possible() {
      const found = seen();
      return typeof found === "object" ? found.why : found;
    },
    get remedy() {
      const found = seen();
      return typeof found === "object" ? found.remedy : found === true ? "" : way.remedy;
    },
    describe,
    send,
  };
}

/** Why registers could not be opened; other errors pass. */
export function refusal(error: unknown): Refusal {
  if (!isSyscallFailure(error)) throw error;
  const { errno, message } = error;
  if (errno === "EINVAL" || errno === "EPERM") {
    return { why: `${message}; ${CLAIMED.why}`, remedy: CLAIMED.remedy };
  }
  return { why: message, remedy: errno === "EACCES" ? "run as root" : "" };
}
