/**
 * A real vhost-user-blk back-end: qemu-storage-daemon.
 *
 * @module
 */
import { onPath } from "./linux_guest.ts";

/** A running back-end. Disposing kills it; its files are the caller's. */
export interface StorageDaemon extends AsyncDisposable {
  readonly pid: number;
  /** Socket that a front-end connects to. */
  readonly socket: string;
}

/** Why none can be started here, or null. */
export function storageDaemonMissing(): string | null {
  return onPath("qemu-storage-daemon")
    ? null
    : "no qemu-storage-daemon: apt-get install qemu-system-common";
}

/** Serves an image on `directory`/vhost-user.sock, ready when this returns. */
export async function startStorageDaemon(directory: string, image: string): Promise<StorageDaemon> {
  const socket = `${directory}/vhost-user.sock`;
  // It dies with the test, even where the test is killed.
  const child = new Deno.Command("setpriv", {
    args: [
      ...["--pdeathsig", "KILL", "qemu-storage-daemon"],
      ...["--blockdev", `driver=file,node-name=f0,filename=${image}`],
      "--export",
      `type=vhost-user-blk,id=e0,node-name=f0,addr.type=unix,addr.path=${socket},writable=on,` +
      "num-queues=1",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  const daemon = {
    pid: child.pid,
    socket,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await errors;
    },
  };
  for (let tries = 0; tries < 250; tries++) {
    if (await Deno.stat(socket).then(() => true, () => false)) return daemon;
    await new Promise((done) => setTimeout(done, 20));
  }
  await daemon[Symbol.asyncDispose]();
  throw new Error(`qemu-storage-daemon did not listen: ${await errors}`);
}
