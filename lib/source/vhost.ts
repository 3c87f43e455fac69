/**
 * `vhost:SOCKET`: a vhost-user connection. What it is depends on who listens on the socket:
 *
 * | listener                        | attachment                                                    |
 * | ------------------------------- | ------------------------------------------------------------- |
 * | a tap (or a sink) of ours       | all of it: memory, rings by user address, eventfds             |
 * | nobody                          | we serve as the back-end, consuming nothing                    |
 * | a back-end or front-end, in use | what /proc tells: memory and eventfds; no ring addresses       |
 * | anybody else                    | refused: connecting would take the place of its real peer      |
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Sys } from "../../ffi/sys.ts";
import type { Attachment, AttachOptions, Source, Target } from "./source.ts";
import { absolutePath, holdersOf, unixPath } from "./unix_listener.ts";
import { attachPair } from "./vhost_pair.ts";
import { attachSink } from "./vhost_sink.ts";
import { attachTap, findTaps, tapGuest, type TapProcess, tapsOf } from "./vhost_tap.ts";

/** `vhost:SOCKET` */
export const vhostSource: Source = {
  scheme: "vhost",
  summary: "a tapped vhost-user connection, or one that we serve as the back-end",
  attach: (target, options) => attachVhost(target, options),
  // deno-lint-ignore require-await
  find: async ({ sys }) => findTaps(sys).map(tapGuest),
};

async function attachVhost(target: Target, options: AttachOptions): Promise<Attachment> {
  const { sys, log } = options;
  const path = unixPath(sys, target.what);
  // Some back-ends stop to listen once their front-end is there.
  const inodes = [...path.listening, ...path.accepted];
  if (inodes.length === 0) return await attachSink(target, options);
  const pids = holdersOf(sys, inodes);
  const tap = tapAmong(sys, pids, target.what);
  if (tap !== null) return await attachTap(tap, target, options);
  if (pids.length === 0) throw unseen(target);
  log(`process ${pids.join(", ")} has ${target.what}, and is no tap`);
  if (path.accepted.length === 0) throw foreign(target, pids);
  return await attachPair({ target, options, listener: pids[0] });
}

function tapAmong(sys: Sys, pids: readonly number[], path: string): TapProcess | null {
  const socket = absolutePath(sys, path);
  return pids.flatMap((pid) => tapsOf(sys, pid)).find((tap) => tap.socket === socket) ?? null;
}

function unseen({ what }: Target): SourceError {
  const text = `somebody listens on ${what} whose files we may not see`;
  const remedy = "run as root or as the user that listens";
  return new SourceError("vhost", "attach", "permission", text, remedy);
}

function foreign({ what }: Target, pids: readonly number[]): SourceError {
  const text = `process ${pids.join(", ")} listens on ${what}, and nobody is connected`;
  const remedy = `start guestmem tap NEW ${what}, and give NEW to whoever would connect to it`;
  return new SourceError("vhost", "attach", "unsupported", text, remedy);
}
