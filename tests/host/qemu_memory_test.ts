/** Memory of a QEMU, opened: here of ourselves, as if we were one. */
import { assert, assertEquals } from "@std/assert";
import { O_PATH, O_RDONLY } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { readMaps } from "../../lib/source/proc_maps.ts";
import { openMemory } from "../../lib/source/qemu_memory.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { holdings, looseMemfd, mapPlainly, pattern, sys, uniqueName } from "../support/host.ts";

const LENGTH = 16384;

/** A memfd of ours, mapped as a QEMU maps its RAM, and what opening it gives with other calls. */
function opened(script: Partial<Sys>, run: (how: string[], flags: number[]) => void): void {
  const name = uniqueName();
  using file = looseMemfd(LENGTH, name);
  sys.pwrite(file.number, pattern(LENGTH), 0);
  using ram = mapPlainly(file, LENGTH);
  const entries = readMaps(sys, sys.pid);
  const range = { start: 0n, end: BigInt(LENGTH), offset: 0n, writable: true, name: "ram" };
  const how: string[] = [];
  const fake = fakeSys({ real: sys, script });
  const options = {
    sys: fake.sys,
    pid: sys.pid,
    write: false,
    log: (line: string) => how.push(line),
  };
  {
    using memory = openMemory([{ ...range, host: ram.address }], entries, options);
    const { backing, offset } = memory.table.regions[0];
    const bytes = new Uint8Array(64);
    assertEquals(backing.copy(offset + 5, bytes), { length: 64, errno: null });
    assertEquals(bytes, pattern(LENGTH).subarray(5, 69));
    const flags = fake.log.filter(({ call, args }) =>
      call === "open" && String(args[0]).startsWith(`/proc/${sys.pid}/fd/`)
    ).map(({ args }) => args[1] as number);
    run(how, flags);
  }
  assertEquals(holdings(name).maps, 1);
}

Deno.test("a shared file is mapped by an fd of the process, which is looked at by name first", () => {
  opened({}, (how, flags) => {
    assert(how.some((line) => line.includes("mapped by /proc/")), how.join("\n"));
    assertEquals(flags, [O_PATH]);
  });
});

Deno.test("an fd that is another file by the time it is opened is not mapped", () => {
  using other = looseMemfd(LENGTH);
  const open: Sys["open"] = (path, flags, mode) =>
    path.startsWith(`/proc/${sys.pid}/fd/`)
      ? sys.open(`/proc/self/fd/${other.number}`, flags)
      : sys.open(path, flags, mode);
  opened({ open }, (how) => {
    assert(how.some((line) => line.includes("another file by now")), how.join("\n"));
  });
});

Deno.test("an fd that is a pipe by the time it is opened is never opened", () => {
  const path = `/tmp/${uniqueName()}`;
  assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
  using undo = new DisposableStack();
  undo.defer(() => Deno.removeSync(path));
  using fifo = new Fd(sys, sys.open(path, O_PATH));
  const open: Sys["open"] = (name, flags, mode) => {
    if (!name.startsWith(`/proc/${sys.pid}/fd/`)) return sys.open(name, flags, mode);
    // Without a writer this would wait for ever.
    assert(flags !== O_RDONLY, "the pipe was opened");
    return sys.open(`/proc/self/fd/${fifo.number}`, flags);
  };
  opened({ open }, () => {});
});
