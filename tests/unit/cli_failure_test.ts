import { assertEquals } from "@std/assert";
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

Deno.test("a source's own remedy goes before the general one", () => {
  const own = new SourceError("qemu", "connect", "not-found", "text", "start QEMU with -qmp");
  assertEquals(describeFailure(own).remedy, "start QEMU with -qmp");
  const none = new SourceError("qemu", "connect", "not-found", "text");
  assertEquals(describeFailure(none).remedy, "`guestmem find` lists the targets of this host");
});
