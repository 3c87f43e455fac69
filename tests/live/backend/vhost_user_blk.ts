/** A vhost-user disk: `deno run -A vhost_user_blk.ts SOCKET IMAGE`. Virtio 1.4, 5.2. */
import * as gm from "../../../mod.ts";

const [path, image] = Deno.args;
const [IN, OUT, FLUSH] = [0, 1, 4];
const [OK, IOERR, UNSUPP] = [0, 1, 2];
using file = await Deno.open(image, { read: true, write: true });
const { size } = await file.stat();
// capacity in sectors; size_max 0 and seg_max 126
const config = new Uint8Array(BigUint64Array.of(BigInt(size) / 512n, 126n << 32n).buffer);
const features = 1n << 2n | 1n << 9n; // SEG_MAX, FLUSH

/** Moves the data of one request; gives its status. */
function move(memory: gm.WritableGuestMemory, request: gm.TakenBuffer): number {
  const header = new Uint32Array(4);
  gm.readFrom(memory, request, 0, new Uint8Array(header.buffer));
  const [type, , low, high] = header;
  if (type === FLUSH) file.syncDataSync();
  if (type !== IN && type !== OUT) return type === FLUSH ? OK : UNSUPP;
  const length = type === IN ? request.writable - 1 : request.readable - 16;
  const start = (high * 2 ** 32 + low) * 512;
  if (length < 0 || start + length > size) return IOERR;
  const data = new Uint8Array(length);
  file.seekSync(start, Deno.SeekMode.Start);
  if (type === IN) gm.writeTo(memory, request, 0, data.subarray(0, file.readSync(data) ?? 0));
  else file.writeSync(data.subarray(0, gm.readFrom(memory, request, 16, data)));
  return OK;
}

function onQueue({ memory, take, giveBack }: gm.ServedQueue): void {
  for (let request = take(); request !== null; request = take()) {
    const status = Uint8Array.of(move(memory, request));
    if (request.writable > 0) gm.writeTo(memory, request, request.writable - 1, status);
    giveBack(request, request.writable);
  }
}

await using backEnd = gm.serveVhostUser({ path, config, features, onQueue, log: console.log });
console.log(`serving ${image} at ${backEnd.path}`);
await backEnd.done;
