import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../../lib/errors.ts";
import { assertRunning, findQemu, listQemu } from "../../lib/source/qemu_process.ts";
import { listenerOf, monitorSockets, parseUnixSockets } from "../../lib/source/qemu_sockets.ts";
import { fakeSys } from "../support/fake_sys.ts";

const HEAD = "Num       RefCount Protocol Flags    Type St Inode Path\n";
const socket = (flags: string, state: string, inode: number, path: string) =>
  `0000000000000000: 00000002 00000000 ${flags} 0001 ${state} ${inode} ${path}`;
const listening = (inode: number, path: string) => socket("00010000", "01", inode, path);
const connected = (inode: number, path: string) => socket("00000000", "03", inode, path);

/** A host of files and links: what is not there is ENOENT, directories are what paths begin with. */
function host(files: Record<string, string>, links: Record<string, string> = {}): Sys {
  const missing = (call: string, path: string): never => {
    throw new SyscallError(call, "ENOENT", path);
  };
  const known = Object.keys({ ...files, ...links });
  const script: Partial<Sys> = {
    readText: (path) => files[path] ?? missing("open", path),
    readlink: (path) => links[path] ?? missing("readlink", path),
    readdir: (path) => {
      const inside = known.filter((name) => name.startsWith(`${path}/`));
      return [...new Set(inside.map((name) => name.slice(path.length + 1).split("/")[0]))];
    },
    stat: (path) => {
      const index = known.indexOf(path);
      if (index < 0) missing("statx", path);
      const zero = { size: 0, blocks: 0, mode: 0, uid: 0, blockSize: 0 };
      return { ...zero, inode: index + 1, deviceMajor: 0, deviceMinor: 1 };
    },
  };
  return fakeSys({ script }).sys;
}

/** /proc of one process. Field 22 of stat is the start time. */
function proc(pid: number, cmdline: string, comm = "qemu-system-x86", started = 100) {
  const zeros = new Array(18).fill("0").join(" ");
  return {
    [`/proc/${pid}/cmdline`]: cmdline.replaceAll(" ", "\0") + "\0",
    [`/proc/${pid}/comm`]: comm + "\n",
    [`/proc/${pid}/stat`]: `${pid} (${comm}) S ${zeros} ${started} 0`,
  };
}

Deno.test("sockets: the kernel's table, paths with spaces and without", () => {
  const text = HEAD + listening(7, "/run/a b.sock") + "\n" + connected(8, "/run/a b.sock") + "\n" +
    "ffff8e0000000000: 00000003 00000000 00000000 0002 01  1234\nnonsense\n";
  assertEquals(parseUnixSockets(text), [
    { inode: 7, path: "/run/a b.sock", listening: true, connected: false },
    { inode: 8, path: "/run/a b.sock", listening: false, connected: true },
    { inode: 1234, path: "", listening: false, connected: false },
  ]);
});

Deno.test("processes: QEMUs only, by pid; names with parentheses; zombies are gone", () => {
  const sys = host({
    ...proc(30, "/usr/bin/qemu-system-x86_64 -name guest=b"),
    ...proc(4, "qemu-system-aarch64 -name a", "odd) (name"),
    ...proc(5, "/bin/sh -c qemu-system-x86_64", "sh"),
    "/proc/2/cmdline": "",
    "/proc/2/comm": "kthreadd\n",
    ...proc(6, "qemu-kvm"),
    "/proc/6/stat": "6 (qemu-kvm) Z 0",
    "/proc/meminfo": "",
  });
  assertEquals(listQemu(sys).map(({ pid, options, started }) => [pid, options.name, started]), [
    [4, "a", "100"],
    [30, "b", "100"],
  ]);
  const error = assertThrows(() => findQemu(sys, 5), SourceError);
  assertEquals(error.kind, "not-found");
  assertStringIncludes(error.message, "process 5 (sh) is no QEMU");
  assertStringIncludes(error.remedy, "proc:5");
  assertStringIncludes(
    assertThrows(() => findQemu(sys, 999), SourceError).message,
    "no process 999",
  );
});

Deno.test("processes: one that ended, even where its pid was given to another", () => {
  const before = findQemu(host(proc(4, "qemu-kvm")), 4);
  assertRunning(host(proc(4, "qemu-kvm")), before);
  for (const after of [host({}), host(proc(4, "qemu-kvm", "x", 101))]) {
    assertEquals(assertThrows(() => assertRunning(after, before), SourceError).kind, "not-found");
  }
});

/** Paths and whether they are taken, of a QEMU with pid 4. */
function sockets(line: string, table: string[], links: Record<string, string> = {}, files = {}) {
  const sys = host({
    ...proc(4, line),
    "/proc/4/net/unix": HEAD + table.join("\n"),
    ...files,
  }, links);
  const found = monitorSockets(sys, findQemu(sys, 4));
  return {
    paths: found.sockets.map(({ path, taken }) => taken ? `${path} taken` : path),
    ...found,
  };
}

Deno.test("monitors: as the command line says, free ones first", () => {
  const line = "qemu-kvm -qmp unix:/run/a,server=on -qmp unix:/run/b,server=on";
  const table = [listening(1, "/run/a"), connected(2, "/run/a"), listening(3, "/run/b")];
  assertEquals(sockets(line, table).paths, ["/run/b", "/run/a taken"]);
  // A client that waits in the queue has no inode yet: nobody is served.
  assertEquals(sockets(line, [connected(0, "/run/a")]).paths, ["/run/a", "/run/b"]);
});

Deno.test("monitors: relative to QEMU's directory, or only in its mount namespace", () => {
  const relative = "qemu-kvm -qmp unix:q.sock,server=on";
  const cwd = { "/proc/4/cwd": "/srv/vm" };
  // The kernel's table has the name as it was bound.
  const taken = [listening(1, "q.sock"), connected(2, "q.sock")];
  assertEquals(sockets(relative, taken, cwd, { "/srv/vm/q.sock": "" }).paths, [
    "/srv/vm/q.sock taken",
  ]);
  const inside = { "/proc/4/root/srv/vm/q.sock": "" };
  assertEquals(sockets(relative, [], cwd, inside).paths, ["/proc/4/root/srv/vm/q.sock"]);
});

Deno.test("monitors: an fd, as libvirt gives it, is found by its socket's inode", () => {
  const line = "qemu-kvm -chardev socket,id=charmonitor,fd=23,server=on -mon " +
    "chardev=charmonitor,mode=control";
  const path = "/var/lib/libvirt/qemu/domain-1-web/monitor.sock";
  const found = sockets(line, [listening(77, path), connected(78, path)], {
    "/proc/4/fd/22": "/dev/null",
    "/proc/4/fd/23": "socket:[77]",
    "/proc/4/fd/24": "socket:[78]",
  });
  assertEquals(found.paths, [`${path} taken`]);
});

Deno.test("monitors: untold ones by what they are called; serial ports are left alone", () => {
  const table = [listening(1, "/run/vm/qmp.sock"), listening(2, "/run/vm/serial.sock")];
  const links = { "/proc/4/fd/5": "socket:[1]", "/proc/4/fd/6": "socket:[2]" };
  assertEquals(sockets("qemu-kvm -readconfig vm.cfg", table, links).paths, ["/run/vm/qmp.sock"]);
  // Told to be something else: a human monitor.
  const told = sockets("qemu-kvm -monitor unix:/run/vm/qmp.sock,server=on", table, links);
  assertEquals(told.paths, []);
  assertStringIncludes(told.note, "it has no QMP monitor that we can see");
  assertStringIncludes(
    sockets("qemu-kvm -qmp tcp:localhost:4444,server=on", []).note,
    "its QMP monitor is no Unix socket (tcp:localhost:4444,server=on)",
  );
});

Deno.test("monitors: the process behind a socket, whatever name it was reached by", () => {
  const files = {
    ...proc(4, "qemu-kvm"),
    ...proc(5, "qemu-kvm"),
    "/proc/4/net/unix": HEAD + listening(1, "/run/other"),
    "/proc/5/net/unix": HEAD + listening(2, "/run/a"),
    "/run/a": "",
    "/run/other": "",
  };
  const sys = host(files, { "/proc/4/fd/3": "socket:[1]", "/proc/5/fd/3": "socket:[2]" });
  assertEquals(listenerOf(sys, "/run/a", listQemu(sys)), 5);
  assertEquals(listenerOf(sys, "/run/none", listQemu(sys)), null);
});
