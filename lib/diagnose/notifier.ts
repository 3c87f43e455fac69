/**
 * What /proc tells about notifications. Reading an eventfd would steal the notification; its fdinfo
 * does not.
 *
 * @module
 */
import type { Sys } from "../../ffi/sys.ts";
import type { NotifierReading } from "../ring/stall.ts";
import { attempt } from "../source/attempt.ts";

/** Bytes of an fdinfo file that are of interest. */
const LIMIT = 4096;

/** An eventfd's counter (`eventfd-count`, hexadecimal: fs/eventfd.c); null where it can not be read. */
export function readNotifier(
  sys: Sys,
  pid: number | null,
  fd: number | null,
): NotifierReading | null {
  if (pid === null || fd === null) return null;
  const text = attempt(() => sys.readText(`/proc/${pid}/fdinfo/${fd}`, LIMIT));
  const match = /^eventfd-count:\s*([0-9a-f]+)$/m.exec(text ?? "");
  return match === null ? null : { pending: BigInt(`0x${match[1]}`) };
}
