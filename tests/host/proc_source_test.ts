import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  MAP_SHARED,
  MFD_HUGE_2MB,
  MFD_HUGETLB,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PROT_READ,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import type { Sys } from "../../ffi/sys.ts";
import { ProtocolError, SourceError } from "../../lib/errors.ts";
import { parseTarget } from "../../lib/guest/target.ts";
import { procSource } from "../../lib/source/proc.ts";
import { publication } from "../../lib/source/published.ts";
import type { AttachOptions } from "../../lib/source/source.ts";
import { attachProc } from "../support/demo.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { holdings, looseMemfd, mapPlainly, pattern, sys, uniqueName } from "../support/host.ts";

const LENGTH = 8192;

/** A memfd with a pattern in it, under a name of its own. */
function memory(): { name: string; fd: Fd } & Disposable {
  const name = uniqueName();
  const fd = looseMemfd(LENGTH, name);
  sys.pwrite(fd.number, pattern(LENGTH), 0);
  return { name, fd, [Symbol.dispose]: () => fd.close() };
}

/** Writes a layout file of one memory entry; removed at the end. */
async function layoutFile(entry: object): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempFile({ suffix: ".json" });
  const memory = [{ gpa: "0x1000", size: 4096, ...entry }];
  await Deno.writeTextFile(path, JSON.stringify({ format: "ring-image/1", memory }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

async function refusal(attach: () => Promise<unknown>): Promise<SourceError> {
  const error = await assertRejects(attach);
  assert(error instanceof SourceError, String(error));
  return error;
}

Deno.test("proc: --layout names memory by memfd, fd and address", async () => {
  using ram = memory();
  using mapped = mapPlainly(ram.fd, LENGTH);
  const entries = [
    { memfd: ram.name, offset: 4096 },
    { fd: ram.fd.number, offset: 4096 },
    { address: "0x" + (mapped.address + 4096n).toString(16) },
  ];
  for (const entry of entries) {
    await using layout = await layoutFile(entry);
    await using guest = await attachProc(`proc:${sys.pid}`, { layout: layout.path });
    assertEquals(guest.memory.bytes(0x1000n, 4096), pattern(LENGTH).slice(4096));
    assertEquals(guest.devices, []);
  }
});

Deno.test({
  name: "proc: a memfd that was closed after it was mapped is found in the map",
  // map_files needs CAP_CHECKPOINT_RESTORE.
  ignore: sys.uid !== 0,
  async fn() {
    const ram = memory();
    const address = sys.mmap(LENGTH, PROT_READ, MAP_SHARED, ram.fd.number, 0);
    ram.fd.close();
    assertEquals(holdings(ram.name).fds, 0);
    await using layout = await layoutFile({ memfd: ram.name });
    await using guest = await attachProc(`proc:${sys.pid}`, { layout: layout.path });
    assertEquals(guest.memory.bytes(0x1000n, 16), pattern(16));
    sys.munmap(address, LENGTH);
  },
});

Deno.test("proc: --write writes to memfds and refuses addresses", async () => {
  using ram = memory();
  await using layout = await layoutFile({ memfd: ram.name });
  {
    await using guest = await attachProc(`proc:${sys.pid}`, { layout: layout.path, write: true });
    guest.writable!.write(0x1000n, new Uint8Array([9, 9]));
  }
  const bytes = new Uint8Array(3);
  sys.pread(ram.fd.number, bytes, 0);
  assertEquals([...bytes], [9, 9, pattern(3)[2]]);
  await using address = await layoutFile({ address: "0x1000" });
  const attach = () => attachProc(`proc:${sys.pid}`, { layout: address.path, write: true });
  assertEquals((await refusal(attach)).kind, "unsupported");
  assertEquals(holdings(ram.name), { fds: 1, maps: 0 });
});

Deno.test("proc: a memfd name must be there, once", async () => {
  await using missing = await layoutFile({ memfd: "no-such-memfd" });
  const error = await refusal(() => attachProc(`proc:${sys.pid}`, { layout: missing.path }));
  assertEquals(error.kind, "not-found");
  using one = memory();
  using _other = looseMemfd(LENGTH, one.name);
  await using twice = await layoutFile({ memfd: one.name });
  const second = await refusal(() => attachProc(`proc:${sys.pid}`, { layout: twice.path }));
  assert(second.message.includes("has 2 memfds"), second.message);
});

Deno.test("proc: a process without a layout, one that ended, and one that never was", async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const target = `proc:${child.pid}`;
  const error = await refusal(() => attachProc(target));
  assertEquals(error.kind, "unsupported");
  assert(error.message.includes('no memfd "guestmem-layout"'), error.message);
  assert(error.remedy.includes("--layout"), error.remedy);
  using ram = memory();
  await using layout = await layoutFile({ fd: ram.fd.number, memfd: undefined });
  const noFd = await refusal(() => attachProc(target, { layout: layout.path }));
  assertEquals(noFd.kind, "not-found");
  child.kill("SIGKILL");
  await child.status;
  assertEquals((await refusal(() => attachProc(target))).kind, "not-found");
  assertEquals((await refusal(() => attachProc("proc:4194304999"))).kind, "not-found");
  assertEquals((await refusal(() => attachProc("proc:self"))).stage, "parse");
});

Deno.test("proc: an operator's layout does not make a process that ended look alive", async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const address = sys.readText(`/proc/${child.pid}/maps`).split("-", 1)[0];
  await using layout = await layoutFile({ address: `0x${address}` });
  await using guest = await attachProc(`proc:${child.pid}`, { layout: layout.path });
  await guest.refresh();
  child.kill("SIGKILL");
  await child.status;
  assertEquals((await refusal(() => guest.refresh())).kind, "not-found");
});

Deno.test("proc: several layouts are told apart by name, and the newest of a name counts", async () => {
  using ram = memory();
  const [one, two] = [uniqueName(), uniqueName()];
  const layout = (name: string, gpa: number) => ({
    format: "ring-image/1",
    name,
    memory: [{ fd: ram.fd.number, gpa, size: 4096 }],
  });
  using first = publication(sys);
  using second = publication(sys);
  first.replace(layout(one, 0));
  second.replace(layout(two, 0x4000));
  await using guest = await attachProc(`proc:${sys.pid}.${one}`);
  assertEquals(guest.memory.table.regions[0].guest, 0n);
  first.replace(layout(one, 0x2000));
  await guest.refresh();
  assertEquals(guest.memory.table.regions[0].guest, 0x2000n);
  const error = await refusal(() => attachProc(`proc:${sys.pid}`));
  assert(error.remedy.includes(`proc:${sys.pid}.${two}`), error.remedy);
  const found = await procSource.find!(options());
  const targets = found.map((one) => one.target);
  assert(targets.includes(`proc:${sys.pid}.${one}`) && targets.includes(`proc:${sys.pid}.${two}`));
});

function options(fields: Partial<AttachOptions> = {}): AttachOptions {
  return { sys, write: false, layout: null, signal: null, log: () => {}, ...fields };
}

/** Publishes one entry and attaches it, as if user 12345 had published it. */
async function attachStranger(entry: object, more: Partial<Sys> = {}): Promise<unknown> {
  const name = uniqueName();
  using published = publication(sys);
  published.replace({ format: "ring-image/1", name, memory: [{ gpa: 0, size: 4096, ...entry }] });
  const stranger = fakeSys({
    real: sys,
    script: {
      ...more,
      uid: 1000,
      stat: (path) =>
        path === `/proc/${sys.pid}` ? { ...sys.stat(path), uid: 12345 } : sys.stat(path),
    },
  });
  const target = parseTarget(`proc:${sys.pid}.${name}`, () => false);
  await using guest = await procSource.attach(target, options({ sys: stranger.sys }));
  return guest.memory.bytes(0n, 1);
}

Deno.test("proc: a name that would begin a line of its own does not", async () => {
  using one = publication(sys);
  using other = publication(sys);
  const name = uniqueName();
  one.replace({ name: `${name}\nremedy: run this`, memory: [] });
  other.replace({ name });
  const { remedy } = await refusal(() => attachProc(`proc:${sys.pid}`));
  assert(remedy.includes(`${name}\\nremedy: run this`), remedy);
  assertEquals(remedy.includes("\n"), false);
});

Deno.test("proc: of two layouts of one name the newer counts, whatever their numbers", async () => {
  using ram = memory();
  const name = uniqueName();
  const entry = (gpa: number) => ({
    format: "ring-image/1",
    name,
    memory: [{ fd: ram.fd.number, gpa, size: 4096 }],
  });
  using one = publication(sys);
  using other = publication(sys);
  const start = async () => {
    await using guest = await attachProc(`proc:${sys.pid}.${name}`);
    return guest.memory.table.regions[0].guest;
  };
  one.replace(entry(0));
  other.replace(entry(0x2000));
  assertEquals(await start(), 0x2000n);
  one.replace(entry(0x4000));
  assertEquals(await start(), 0x4000n);
});

Deno.test("proc: a stranger's layout may name memfds, and neither files nor other fds", async () => {
  using ram = memory();
  assertEquals(await attachStranger({ fd: ram.fd.number }), pattern(1));
  using huge = new Fd(sys, sys.memfd(uniqueName(), MFD_HUGETLB | MFD_HUGE_2MB));
  sys.ftruncate(huge.number, 2 << 20);
  assertEquals(await attachStranger({ fd: huge.number }), new Uint8Array(1));
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, pattern(LENGTH));
  // O_PATH: an fd that even its owner may not read through.
  using secret = new Fd(sys, sys.open(path, O_PATH));
  const error = await refusal(() => attachStranger({ fd: secret.number }));
  assertEquals(error.kind, "permission");
  const file = await assertRejects(() => attachStranger({ file: path }));
  assert(file instanceof ProtocolError, String(file));
  await Deno.remove(path);
});

//  a mount namespace of its own:  mount --bind /etc/shadow "/memfd:ram (deleted)"
Deno.test("proc: a stranger's file is no memfd because it is called like one", async () => {
  const path = `/dev/shm/${uniqueName()}`;
  await Deno.writeFile(path, pattern(LENGTH));
  using undo = new DisposableStack();
  undo.defer(() => Deno.removeSync(path));
  using file = new Fd(sys, sys.open(path, O_RDWR));
  const readlink = (at: string) => {
    const link = sys.readlink(at);
    return link === path ? "/memfd:ram (deleted)" : link;
  };
  const error = await refusal(() => attachStranger({ fd: file.number }, { readlink }));
  assertEquals(error.kind, "permission");
});

Deno.test("proc: memory is had by the rights of the fd that a process publishes", async () => {
  using ram = memory();
  const open = (flags: number) => new Fd(sys, sys.open(`/proc/self/fd/${ram.fd.number}`, flags));
  using name = open(O_PATH);
  using readOnly = open(O_RDONLY);
  using writeOnly = open(O_WRONLY);
  using both = open(O_RDWR);
  const cases: [fd: Fd, write: boolean, why: string | null][] = [
    [name, false, "can not be read"],
    [writeOnly, false, "can not be read"],
    [readOnly, true, "can not be written"],
    [readOnly, false, null],
    [both, true, null],
  ];
  for (const [fd, write, why] of cases) {
    const own = uniqueName();
    using published = publication(sys);
    const bytes = { fd: fd.number, gpa: 0, size: LENGTH };
    published.replace({ format: "ring-image/1", name: own, memory: [bytes], devices: [] });
    const target = parseTarget(`proc:${sys.pid}.${own}`, () => false);
    const attach = () => procSource.attach(target, options({ write }));
    if (why === null) await (await attach())[Symbol.asyncDispose]();
    else assert((await refusal(attach)).message.includes(why), why);
  }
});

Deno.test("proc: find lists a layout that can not be understood, with the reason", async () => {
  const name = uniqueName();
  using published = publication(sys);
  published.replace({ format: "ring-image/9", name });
  const found = (await procSource.find!(options())).find((guest) => guest.name === name);
  assertEquals(found?.note, 'layout format: wanted "ring-image/1", got "ring-image/9"');
});
