/** A vhost-user disk: `deno run -A vhost_user_blk.ts SOCKET IMAGE`. Virtio 1.4, 5.2. */
import {
  readFrom,
  serveVhostUser,
  type TakenBuffer,
  type WritableGuestMemory,
  writeTo,
} from "../../../mod.ts";

const [path, image] = Deno.args;
const [OK, IOERR, UNSUPP] = [0, 1, 2];
using file = await Deno.open(image, { read: true, write: true });
const size = (await file.stat()).size;

const config = new Uint8Array(60);
const fields = new DataView(config.buffer);
fields.setBigUint64(0, BigInt(size) / 512n, true); // capacity
fields.setUint32(12, 126, true); // seg_max
fields.setUint32(20, 512, true); // blk_size
fields.setUint16(34, 1, true); // num_queues

/** Serves one request; gives how many bytes were written, the status byte included. */
function serve(memory: WritableGuestMemory, request: TakenBuffer): number {
  const header = new Uint8Array(16);
  if (request.writable < 1 || readFrom(memory, request, 0, header) < 16) return 0;
  const [type, , low, high] = new Uint32Array(header.buffer);
  const at = (high * 2 ** 32 + low) * 512;
  const room = type === 0 ? request.writable - 1 : type === 1 ? request.readable - 16 : 0;
  let status = type === 0 || type === 1 || type === 4 ? OK : UNSUPP;
  if (at + room > size) status = IOERR;
  else if (room > 0) {
    const data = new Uint8Array(room);
    file.seekSync(at, Deno.SeekMode.Start);
    if (type === 0) writeTo(memory, request, 0, data.subarray(0, file.readSync(data) ?? 0));
    else file.writeSync(data.subarray(0, readFrom(memory, request, 16, data)));
  }
  writeTo(memory, request, request.writable - 1, Uint8Array.of(status));
  return request.writable;
}

await using backEnd = serveVhostUser({
  path,
  config,
  features: 1n << 2n | 1n << 6n | 1n << 9n, // SEG_MAX, BLK_SIZE, FLUSH
  log: (line) => console.log(line),
  onQueue({ memory, take, giveBack }) {
    for (let request = take(); request !== null; request = take()) {
      giveBack(request, serve(memory, request));
    }
  },
});
console.log(`serving ${image} at ${backEnd.path}`);
await backEnd.done;
