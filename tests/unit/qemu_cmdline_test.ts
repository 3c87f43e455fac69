import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  isEmulator,
  parseOptions,
  parseSuboptions,
  splitArguments,
} from "../../lib/source/qemu_cmdline.ts";

/** Options of a command line written with spaces. */
const options = (line: string) => parseOptions(["qemu-system-x86_64", ...line.split(" ")]);
const monitors = (line: string) => options(line).monitors;

Deno.test("arguments are what stands between the NULs", () => {
  assertEquals(splitArguments("qemu\0-name\0a b\0\0-S\0"), ["qemu", "-name", "a b", "", "-S"]);
  assertEquals(splitArguments(""), []);
});

Deno.test("emulators, by program or by process name, and what only sounds like one", () => {
  for (const name of ["/usr/bin/qemu-system-x86_64", "qemu-kvm", "/usr/libexec/qemu-kvm", "kvm"]) {
    assertEquals(isEmulator([name], "x"), true, name);
  }
  // -name guest,process=web gives the process another name, but not another program.
  assertEquals(isEmulator(["qemu-system-aarch64"], "web"), true);
  assertEquals(isEmulator(["web"], "qemu-system-x86"), true);
  for (const name of ["qemu-img", "qemu-storage-daemon", "qemu-nbd", "qemu-ga", "vim", "kvm-nx"]) {
    assertEquals(isEmulator([name, "qemu-system-x86_64"], name), false, name);
  }
  assertEquals(isEmulator([], ""), false);
});

Deno.test("suboptions: implied first value, doubled commas", () => {
  const { first, values } = parseSuboptions("unix:/a,,b,server=on,wait=off,nodelay");
  assertEquals(first, "unix:/a,b");
  assertEquals(Object.fromEntries(values), {
    "unix:/a,b": "on",
    server: "on",
    wait: "off",
    nodelay: "on",
  });
  assertEquals(parseSuboptions("id=a,path=x=y").values.get("path"), "x=y");
  assertEquals(parseSuboptions("id=a").first, null);
});

Deno.test("names, memory, machine, pid file", () => {
  const read = options("-name guest=web,debug-threads=on -m size=6G,slots=4 -pidfile /run/w.pid");
  assertEquals([read.name, read.memory, read.pidFile], ["web", 6n << 30n, "/run/w.pid"]);
  assertEquals(options("-name plain").name, "plain");
  assertEquals(options("-name process=only").name, "");
  assertEquals(options("-m 512").memory, 512n << 20n);
  assertEquals(options("--m 1536M").memory, 1536n << 20n);
  assertEquals(options("-m many").memory, null);
  assertEquals(options("-S").memory, null);
  assertEquals(options("-M q35,memory-backend=m").machine, "q35");
  assertEquals(options("-machine type=pc,accel=kvm -machine usb=off").machine, "pc");
  assertEquals(options("-nodefaults").machine, null);
});

Deno.test("monitors: -qmp", () => {
  const at = (path: string) => [{ kind: "unix", path }];
  assertEquals(monitors("-qmp unix:/run/a.sock,server=on,wait=off"), at("/run/a.sock"));
  assertEquals(monitors("-qmp unix:rel.sock,server,nowait"), at("rel.sock"));
  assertEquals(monitors("-qmp-pretty unix:/a,,b,server=yes"), at("/a,b"));
  assertEquals(monitors("-qmp none"), []);
  const other = (text: string) => [{ kind: "other", text }];
  assertEquals(monitors("-qmp tcp:localhost:4444,server"), other("tcp:localhost:4444,server"));
  assertEquals(monitors("-qmp stdio"), other("stdio"));
  // Without server QEMU is the client: nobody listens there for us.
  assertEquals(monitors("-qmp unix:/run/a.sock"), other("unix:/run/a.sock"));
  assertEquals(
    monitors("-qmp unix:a,server=on,abstract=on"),
    other("unix:a,server=on,abstract=on"),
  );
});

Deno.test("monitors: -chardev and -mon, in any order, and what libvirt does", () => {
  assertEquals(
    monitors(
      "-mon chardev=q,mode=control,pretty=on -chardev socket,id=q,path=/run/q.sock,server=on,wait=off",
    ),
    [{ kind: "unix", path: "/run/q.sock" }],
  );
  assertEquals(
    monitors("-chardev socket,id=q,path=/q,server=on -qmp chardev:q"),
    [{ kind: "unix", path: "/q" }],
  );
  // A human monitor is none of ours.
  assertEquals(monitors("-chardev socket,id=h,path=/h,server=on -mon chardev=h,mode=readline"), []);
  assertEquals(monitors("-monitor unix:/run/hmp.sock,server=on"), []);
  assertEquals(monitors("-mon q,mode=control"), [{ kind: "other", text: "q,mode=control" }]);
  const libvirt = options(
    "-chardev socket,id=charmonitor,fd=23,server=on,wait=off " +
      "-mon chardev=charmonitor,id=monitor,mode=control " +
      "-qmp unix:/run/second.qmp,server=on,wait=off",
  );
  assertEquals(libvirt.libvirt, true);
  assertEquals(libvirt.monitors, [{ kind: "fd", fd: 23 }, {
    kind: "unix",
    path: "/run/second.qmp",
  }]);
});

Deno.test("no command line makes it throw", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("-qmp", "-mon", "-chardev", "-name", "-m", "-M", "unix:,server", "chardev:"),
  );
  fc.assert(fc.property(fc.array(word), (argv) => void parseOptions(argv)));
});
