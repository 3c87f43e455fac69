/**
 * A tap between our own front-end and back-end.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { closeAll } from "../../ffi/fd.ts";
import { startTap, type Tap, type TapOptions } from "../../lib/tap/tap.ts";
import { encodeMessage, type Message } from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys } from "./host.ts";
import { connectPeer, type Peer, peerListener } from "./vhost_peer.ts";

/** Both peers and what is between them. */
export interface Tapped {
  readonly frontEnd: Peer;
  readonly backEnd: Peer;
  readonly tap: Tap;
  readonly folder: string;
}

/** Runs in a folder that is removed afterwards. */
export async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "guestmem-tap" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Connects a front-end through a tap to a back-end, runs, and takes all down. */
export function tapped(
  run: (all: Tapped) => Promise<void>,
  options: Partial<TapOptions> = {},
): Promise<void> {
  return inFolder(async (folder) => {
    using backEnds = peerListener(`${folder}/back.sock`);
    const paths = { listen: `${folder}/tap.sock`, connect: backEnds.path };
    await using tap = startTap({ sys, ...paths, ...options });
    using frontEnd = connectPeer(tap.socket);
    using backEnd = await backEnds.accept();
    await run({ frontEnd, backEnd, tap, folder });
  });
}

/** Sends through the tap and checks that the same bytes and the same files arrive. */
export async function passes(
  from: Peer,
  to: Peer,
  message: Message,
  fds: readonly number[] = [],
): Promise<void> {
  await from.send(message, fds);
  const arrival = await to.receive();
  assert(arrival, `${message.name} did not arrive`);
  assertEquals(arrival?.frame.bytes, encodeMessage(message), message.name);
  assertEquals(arrival?.fds.map(identity), fds.map(identity), message.name);
  closeAll(sys, arrival?.fds ?? []);
}

/** What tells one file from another. */
export function identity(fd: number): string {
  const { inode, size, deviceMinor } = sys.fstat(fd);
  const eventfd = /^eventfd-id:.*$/m.exec(sys.readText(`/proc/self/fdinfo/${fd}`))?.[0];
  return eventfd ?? `${deviceMinor} ${inode} ${size}`;
}

/** Waits until `check` holds, a few milliseconds at a time. Throws after `timeoutMs`. */
export async function until(check: () => boolean, what: string, timeoutMs = 3000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!check()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
