/** What doctor says of this machine, and of one that allows less. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { stripAnsiCode } from "../../cli/render/colors.ts";
import { doctorText } from "../../cli/render/doctor.ts";
import { SyscallError } from "../../ffi/errno.ts";
import type { Sys } from "../../ffi/sys.ts";
import type { Check } from "../../lib/doctor/check.ts";
import { examine } from "../../lib/doctor/examine.ts";
import { SCHEMES } from "../../lib/guest/target.ts";
import { KICK_WAYS } from "../../lib/kick/ways.ts";
import { holdings, sys } from "../support/host.ts";

function named(checks: readonly Check[], area: string, name: string): Check {
  const found = checks.find((check) => check.area === area && check.name === name);
  if (found === undefined) throw new Error(`no check ${area} ${name}`);
  return found;
}

Deno.test("every source and every way to kick has its line, and what is missing a remedy", async () => {
  const before = holdings("guestmem-doctor");
  const checks = await examine(sys);
  assertEquals(holdings("guestmem-doctor"), before, "nothing stays open or mapped");
  const names = (area: string) => checks.filter((one) => one.area === area).map(({ name }) => name);
  assertEquals(names("source").toSorted(), [...SCHEMES].toSorted());
  assertEquals(names("kick"), [...KICK_WAYS]);
  for (const { area, name, state, remedy } of checks) {
    if (area !== "guests" && state !== "ok") assert(remedy !== "", `${area} ${name}`);
  }
  assertEquals(named(checks, "memory", "memfd").state, "ok");
});

/** The machine as a container that forbids to look at other processes sees it. */
function restricted(): Sys {
  const refuse = (call: string) => (): never => {
    throw new SyscallError(call, "EPERM", "process 1");
  };
  return {
    ...sys,
    uid: 1000,
    // Other tests' guests are none of ours.
    readdir: (path) => path === "/proc" ? [] : sys.readdir(path),
    processVmReadv: refuse("process_vm_readv"),
    pidfdGetfd: refuse("pidfd_getfd"),
  };
}

Deno.test("what is refused is told where it matters", async () => {
  const checks = await examine(restricted());
  const vm = named(checks, "process", "process_vm_readv");
  assertEquals([vm.state, vm.remedy], [
    "missing",
    "allow the call in the container's seccomp profile",
  ]);
  for (const name of ["proc", "qemu"]) assert(named(checks, "source", name).state !== "ok", name);
  for (const name of ["eventfd", "ioeventfd"]) assert(named(checks, "kick", name).state !== "ok");
  assertEquals(named(checks, "source", "file").state, "ok");
  assertStringIncludes(named(checks, "source", "proc").remedy, "as root");
});

Deno.test("the table fits the terminal, and gives each remedy once", () => {
  const check = { area: "xen", state: "absent", remedy: "boot Xen and run in dom0" } as const;
  const checks = ["privcmd", "gntdev"].map((name) => ({
    ...check,
    name,
    detail: `no /dev/xen/${name}, and more words than fit into one line of a narrow terminal`,
  }));
  const text = stripAnsiCode(doctorText(checks, 60));
  assert(text.split("\n").every((line) => line.length <= 60), text);
  assertEquals(text.split("boot Xen").length, 2);
  assertStringIncludes(text, "terminal [1]");
  assertStringIncludes(text, "[1] boot Xen and run in dom0");
});
