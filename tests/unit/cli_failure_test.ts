import { assert, assertEquals } from "@std/assert";
import { UsageError } from "../../cli/context.ts";
import { describeFailure } from "../../cli/failure.ts";
import { GuestMemoryError, ProtocolError, SourceError } from "../../lib/errors.ts";

function syscall(errno: string): Error {
  const error = new Error(`open /proc/1/mem: ${errno}`);
  return Object.assign(error, {
    name: "SyscallError",
    call: "open",
    errno,
    subject: "/proc/1/mem",
  });
}

Deno.test("what went wrong decides the exit code", () => {
  const source = (kind: SourceError["kind"]) => new SourceError("qemu", "open", kind, "text");
  const cases: [unknown, number][] = [
    [new UsageError("want one of them"), 2],
    [new SourceError("target", "parse", "failed", "not a target"), 2],
    [source("not-found"), 4],
    [source("permission"), 5],
    [source("busy"), 1],
    [source("unsupported"), 1],
    [source("failed"), 1],
    [syscall("EACCES"), 5],
    [syscall("EPERM"), 5],
    [syscall("ENOENT"), 4],
    [syscall("ESRCH"), 4],
    [syscall("EIO"), 1],
    [new GuestMemoryError("read", "ram", 0n, 1n, "hole"), 1],
    [new ProtocolError("layout", "memory", "a list", "a number"), 1],
    [new Deno.errors.PermissionDenied("no"), 5],
    [new Deno.errors.NotFound("no"), 1],
    [new TypeError("a bug"), 1],
    ["thrown text", 1],
  ];
  for (const [error, code] of cases) assertEquals(describeFailure(error).code, code, String(error));
});

Deno.test("an error of the runtime's names the call, the object, the errno and the remedy", () => {
  const full = Object.assign(new Error("No space left on device (os error 28)"), {
    code: "ENOSPC",
  });
  assertEquals(describeFailure(new Error("write stdout", { cause: full })), {
    code: 1,
    message: "write stdout: ENOSPC (no space left on device)",
    remedy: "make room on that device, or write elsewhere",
  });
  const denied = Object.assign(
    new Deno.errors.PermissionDenied("Permission denied (os error 13): open '/root/x'"),
    { code: "EACCES" },
  );
  const { code, message } = describeFailure(denied);
  assertEquals([code, message], [5, "open '/root/x': EACCES (permission denied)"]);
});

Deno.test("a place of our own that can not be made is no target that is not there", () => {
  const bind = (errno: string) => Object.assign(syscall(errno), { call: "bind" });
  assertEquals(describeFailure(bind("ENOENT")).code, 1);
  assertEquals(describeFailure(bind("EACCES")).code, 5);
  for (const errno of ["ENOENT", "EACCES", "EADDRINUSE"]) {
    const { remedy } = describeFailure(bind(errno));
    assert(remedy !== "" && !remedy.includes("guestmem find"), remedy);
  }
  const opened = new Error("write capture.pcapng", { cause: syscall("ENOENT") });
  assertEquals(describeFailure(opened).code, 1);
});

Deno.test("a source's own remedy goes before the general one", () => {
  const own = new SourceError("qemu", "connect", "not-found", "text", "start QEMU with -qmp");
  assertEquals(describeFailure(own).remedy, "start QEMU with -qmp");
  const none = new SourceError("qemu", "connect", "not-found", "text");
  assertEquals(describeFailure(none).remedy, "`guestmem find` lists the targets of this host");
});
