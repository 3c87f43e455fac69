/**
 * struct msghdr and its control messages, cmsg(3).
 *
 * @module
 */
import { SCM_RIGHTS, SOL_SOCKET } from "./constants.ts";
import { cmsgAlign, CMSGHDR, cmsgLength, cmsgSpace, IOVEC, MSGHDR } from "./layout.ts";

/** One SCM_RIGHTS control message with these fds; empty for none. */
export function encodeRights(fds: readonly number[]): Uint8Array<ArrayBuffer> {
  if (fds.length === 0) return new Uint8Array(0);
  const view = new DataView(new ArrayBuffer(cmsgSpace(4 * fds.length)));
  view.setBigUint64(CMSGHDR.len, BigInt(cmsgLength(4 * fds.length)), true);
  view.setInt32(CMSGHDR.level, SOL_SOCKET, true);
  view.setInt32(CMSGHDR.type, SCM_RIGHTS, true);
  fds.forEach((fd, index) => view.setInt32(CMSGHDR.data + 4 * index, fd, true));
  return new Uint8Array(view.buffer);
}

/** Every fd in the SCM_RIGHTS messages of a received control buffer. Never throws. */
export function decodeRights(control: Uint8Array): number[] {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  const fds: number[] = [];
  for (let at = 0; at + CMSGHDR.SIZE <= control.length;) {
    const length = Number(view.getBigUint64(at + CMSGHDR.len, true));
    if (length < CMSGHDR.SIZE || at + length > control.length) break;
    if (isRights(view, at)) {
      for (let fd = at + CMSGHDR.data; fd + 4 <= at + length; fd += 4) {
        fds.push(view.getInt32(fd, true));
      }
    }
    at += cmsgAlign(length);
  }
  return fds;
}

function isRights(view: DataView, at: number): boolean {
  return view.getInt32(at + CMSGHDR.level, true) === SOL_SOCKET &&
    view.getInt32(at + CMSGHDR.type, true) === SCM_RIGHTS;
}

/**
 * What the last header points to. A local variable that is not used after the call does not keep it:
 * compiled code forgets such a one at once, and a collection before the call would take it.
 */
const pointedTo: { last: readonly Uint8Array[] } = { last: [] };

/**
 * A msghdr over one piece of data and a control buffer. The header holds plain addresses; what they
 * point to stays in place until the next message is made: one call at a time.
 */
export function message(data: Uint8Array, control: Uint8Array): DataView<ArrayBuffer> {
  const iovec = vector(addressOf(data), data.length);
  const header = new DataView(new ArrayBuffer(MSGHDR.SIZE));
  header.setBigUint64(MSGHDR.iov, addressOf(iovec), true);
  header.setBigUint64(MSGHDR.iovlen, 1n, true);
  header.setBigUint64(MSGHDR.control, addressOf(control), true);
  header.setBigUint64(MSGHDR.controllen, BigInt(control.length), true);
  pointedTo.last = [data, iovec, control];
  return header;
}

/** A struct iovec. */
export function vector(address: bigint, length: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(IOVEC.SIZE));
  view.setBigUint64(IOVEC.base, address, true);
  view.setBigUint64(IOVEC.len, BigInt(length), true);
  return new Uint8Array(view.buffer);
}

/** Where the bytes are, in our process; 0n for none. */
export function addressOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  // Asking for `buffer` moves a small typed array off the collected heap, where it stays put.
  const whole = bytes.buffer as ArrayBuffer;
  const view = new Uint8Array(whole, bytes.byteOffset, bytes.length);
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(view));
}
