import { assertEquals, assertThrows } from "@std/assert";
import { S_IFMT, S_IFSOCK } from "../../ffi/constants.ts";
import { closeAll, Fd } from "../../ffi/fd.ts";
import {
  errnoFrom,
  holdings,
  importFfi,
  looseMemfd,
  pattern,
  runAlone,
  sys,
  uniqueName,
} from "../support/host.ts";

const BYTE = new Uint8Array([1]);

/** A connected pair, closed at the end. */
function pair(): Disposable & { near: number; far: number } {
  const [near, far] = sys.socketpair();
  return { near, far, [Symbol.dispose]: () => closeAll(sys, [near, far]) };
}

function socketPath(): Disposable & { path: string } {
  const dir = Deno.makeTempDirSync({ prefix: "guestmem-" });
  const remove = () => Deno.removeSync(dir, { recursive: true });
  return { path: `${dir}/socket`, [Symbol.dispose]: remove };
}

Deno.test("fds cross in both directions and are the same files", () => {
  using sockets = pair();
  using file = looseMemfd(4096);
  const inode = sys.fstat(file.number).inode;
  for (const [from, to] of [[sockets.near, sockets.far], [sockets.far, sockets.near]]) {
    for (const count of [0, 1, 2, 32, 253]) {
      const bytes = pattern(count + 5);
      assertEquals(sys.sendmsg(from, bytes, Array(count).fill(file.number)), bytes.length);
      const target = new Uint8Array(400);
      const got = sys.recvmsg(to, target, 253)!;
      assertEquals([got.length, got.fds.length, got.truncated], [bytes.length, count, false]);
      assertEquals(target.subarray(0, got.length), bytes);
      for (const fd of got.fds) assertEquals(sys.fstat(fd).inode, inode);
      closeAll(sys, got.fds);
    }
  }
});

Deno.test("fds that find no room are reported lost, and none leaks", () => {
  using sockets = pair();
  const name = uniqueName();
  using file = looseMemfd(4096, name);
  //     sent, room, arrive
  for (const [sent, room, arrive] of [[1, 0, 0], [2, 1, 1], [3, 1, 1], [32, 8, 8], [253, 31, 31]]) {
    sys.sendmsg(sockets.near, BYTE, Array(sent).fill(file.number));
    const got = sys.recvmsg(sockets.far, new Uint8Array(8), room)!;
    assertEquals([got.fds.length, got.truncated], [arrive, true], `${sent} into ${room}`);
    closeAll(sys, got.fds);
    assertEquals(holdings(name).fds, 1, `${sent} into ${room}`);
  }
});

Deno.test("received fds are close-on-exec, sockets nonblocking", () => {
  using sockets = pair();
  sys.sendmsg(sockets.near, BYTE, [sockets.near]);
  const [fd] = sys.recvmsg(sockets.far, new Uint8Array(1), 1)!.fds;
  const flags = /flags:\t0*([0-7]+)/.exec(sys.readText(`/proc/self/fdinfo/${fd}`));
  assertEquals(parseInt(flags![1], 8) & 0o2004000, 0o2004000);
  sys.close(fd);
});

Deno.test("nothing to read is null, the end of the stream is 0 bytes", () => {
  using sockets = pair();
  assertEquals(sys.recvmsg(sockets.near, new Uint8Array(8), 1), null);
  sys.shutdown(sockets.far);
  const end = sys.recvmsg(sockets.near, new Uint8Array(8), 1);
  assertEquals(end, { length: 0, fds: [], truncated: false });
  assertEquals(errnoFrom(() => sys.sendmsg(sockets.near, BYTE, [])), "EPIPE", "no SIGPIPE");
  sys.shutdown(sockets.near);
});

Deno.test("a full socket is null, and what it took before arrives", () => {
  using sockets = pair();
  const piece = pattern(65_536);
  let sent = 0;
  for (let round = 0; round < 1000; round++) {
    const took = sys.sendmsg(sockets.near, piece, []);
    if (took === null) break;
    sent += took;
  }
  assertEquals(sys.sendmsg(sockets.near, piece, []), null);
  let received = 0;
  const target = new Uint8Array(100_000);
  while (true) {
    const got = sys.recvmsg(sockets.far, target, 0);
    if (got === null) break;
    received += got.length;
  }
  assertEquals(received, sent);
});

Deno.test("messages that can not be are refused before the kernel drops their fds", () => {
  using sockets = pair();
  const empty = new Uint8Array(0);
  assertThrows(() => sys.sendmsg(sockets.near, BYTE, Array(254).fill(0)), RangeError, "254");
  assertThrows(() => sys.sendmsg(sockets.near, empty, [0]), RangeError, "byte");
  assertThrows(() => sys.recvmsg(sockets.near, empty, 0), RangeError, "room");
  assertEquals(errnoFrom(() => sys.sendmsg(sockets.near, BYTE, [99_999])), "EBADF");
});

Deno.test("a listener's name has mode 0600 from its first moment, whatever the umask", async () => {
  using at = socketPath();
  const code = importFfi("openSys", "sys.ts") + `
    const sys = openSys();
    Deno.umask(0);
    sys.listenUnix(${JSON.stringify(at.path)}, 4);
    console.log(sys.stat(${JSON.stringify(at.path)}).mode);`;
  const mode = Number(await runAlone(code, ["-A"]));
  assertEquals([mode & S_IFMT, mode & 0o7777], [S_IFSOCK, 0o600]);
});

Deno.test("a listener accepts, and knows its peers", () => {
  using at = socketPath();
  using listener = new Fd(sys, sys.listenUnix(at.path, 4));
  assertEquals(sys.accept(listener.number), null);
  using client = new Fd(sys, sys.connectUnix(at.path));
  using served = new Fd(sys, sys.accept(listener.number)!);
  const { pid, uid } = sys.peerCredentials(served.number);
  assertEquals([pid, uid], [sys.pid, sys.uid]);
  sys.sendmsg(client.number, pattern(4), [client.number]);
  const got = sys.recvmsg(served.number, new Uint8Array(9), 4)!;
  assertEquals([got.length, got.fds.length], [4, 1]);
  closeAll(sys, got.fds);
});

Deno.test("a listener and Deno's own sockets understand each other", async () => {
  using at = socketPath();
  using listener = new Fd(sys, sys.listenUnix(at.path, 4));
  const connection = await Deno.connect({ transport: "unix", path: at.path });
  using served = new Fd(sys, sys.accept(listener.number)!);
  sys.sendmsg(served.number, new TextEncoder().encode("hello"), []);
  const target = new Uint8Array(10);
  assertEquals(await connection.read(target), 5);
  assertEquals(new TextDecoder().decode(target.subarray(0, 5)), "hello");
  connection.close();
});

Deno.test("addresses that can not be bound or reached fail by name", () => {
  using at = socketPath();
  const listener = sys.listenUnix(at.path, 4);
  assertEquals(errnoFrom(() => sys.listenUnix(at.path, 4)), "EADDRINUSE");
  sys.close(listener);
  assertEquals(errnoFrom(() => sys.connectUnix(at.path)), "ECONNREFUSED");
  assertEquals(errnoFrom(() => sys.connectUnix("/nowhere/socket")), "ENOENT");
  assertEquals(errnoFrom(() => sys.listenUnix("/tmp/" + "x".repeat(103), 1)), "ENAMETOOLONG");
  assertThrows(() => sys.connectUnix("/tmp/a\0b"), TypeError, "NUL");
});

Deno.test("a socket that failed to bind or connect is closed", async () => {
  const code = importFfi("openSys", "sys.ts") + `
    const sys = openSys();
    const fds = () => sys.readdir("/proc/self/fd").length;
    const fails = (run) => { try { run(); } catch { return; } throw new Error("did not fail"); };
    const before = fds();
    for (let round = 0; round < 20; round++) {
      fails(() => sys.listenUnix("/nowhere/socket", 1));
      fails(() => sys.connectUnix("/nowhere/socket"));
    }
    console.log(fds() - before);`;
  assertEquals(await runAlone(code, ["--allow-ffi"]), "0");
});

Deno.test("an abstract name needs no file", () => {
  const name = `\0guestmem-test-${sys.pid}`;
  using listener = new Fd(sys, sys.listenUnix(name, 1));
  using client = new Fd(sys, sys.connectUnix(name));
  using served = new Fd(sys, sys.accept(listener.number)!);
  assertEquals(sys.sendmsg(client.number, BYTE, []), 1);
  assertEquals(sys.recvmsg(served.number, new Uint8Array(2), 0)?.length, 1);
});
