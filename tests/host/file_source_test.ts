import { assert, assertEquals, assertRejects } from "@std/assert";
import { readSpans } from "../../lib/dump/pieces.ts";
import { type ProtocolError, SourceError } from "../../lib/errors.ts";
import { parseTarget } from "../../lib/guest/target.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { fileSource, shmSource } from "../../lib/source/file.ts";
import type { Attachment, AttachOptions } from "../../lib/source/source.ts";
import { fakeSys } from "../support/fake_sys.ts";
import { sys } from "../support/host.ts";
import { image, writeImage } from "../support/images.ts";

function options(fields: Partial<AttachOptions> = {}): AttachOptions {
  return { sys, write: false, layout: null, signal: null, log: () => {}, ...fields };
}

function attach(text: string, fields: Partial<AttachOptions> = {}): Promise<Attachment> {
  const target = parseTarget(text, () => true);
  const source = target.scheme === "shm" ? shmSource : fileSource;
  return source.attach(target, options(fields));
}

async function refusal(text: string, fields: Partial<AttachOptions> = {}): Promise<SourceError> {
  const error = await assertRejects(() => attach(text, fields));
  assert(error instanceof SourceError, String(error));
  return error;
}

/** A folder that is removed at the end. */
async function folder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** fds and mappings of this process whose file is in a folder. */
function held(folder: string): number {
  const links = sys.readdir("/proc/self/fd").map((fd) => {
    try {
      return sys.readlink(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  const maps = sys.readText("/proc/self/maps").split("\n");
  return [...links, ...maps].filter((line) => line.includes(folder)).length;
}

for (const name of ["split_256_two_regions", "packed_256_indirect_cross_regions"]) {
  Deno.test(`file: ${name} reads as it does from a buffer`, async () => {
    await using dir = await folder();
    const { raw, layout } = await writeImage(name, dir.path);
    await using guest = await attach(`file:${raw}`, { layout });
    const { config, memory, expect } = image(name);
    assertEquals(guest.memory.table.regions.length, 2);
    assertEquals(guest.devices[0].queues[0].ring, config);
    const [file, buffer] = [guest.memory, memory].map((from) => openRing(from, config).snapshot());
    assertEquals(file.totals, buffer.totals);
    assertEquals(file.chainCount, expect!.chains);
    assertEquals(file.findings, []);
  });
}

Deno.test("file: without a layout the whole file is memory at 0, and sparse stays sparse", async () => {
  await using dir = await folder();
  const { raw } = await writeImage("split_256_chain3", dir.path);
  const before = sys.stat(raw).blocks;
  await using guest = await attach(`file:${raw}`);
  assertEquals(guest.devices, []);
  assertEquals(guest.writable, null);
  const [region] = guest.memory.table.regions;
  assertEquals([region.guest, region.length, region.access], [0n, 16777216n, "ro"]);
  assertEquals(guest.memory.bytes(0x500000n, 1 << 20).every((byte) => byte === 0), true);
  assertEquals(sys.stat(raw).blocks, before);
});

//   file   |data|hole|hole|hole|      truncated to two pages
//   spans  |byte|zero|unreadable|     and never zeros where the file has nothing any more
Deno.test("file: what a truncation took is unreadable to a dump, not zeros", async () => {
  await using dir = await folder();
  const path = `${dir.path}/guest.ram`;
  const page = sys.pageSize;
  await Deno.writeFile(path, new Uint8Array(page).fill(7));
  await Deno.truncate(path, 4 * page);
  await using attachment = await attach(`file:${path}`);
  await Deno.truncate(path, 2 * page);
  const spans = [...readSpans(attachment.memory, 0n, BigInt(4 * page), new Uint8Array(page))];
  assertEquals(spans.map(({ kind, address, length }) => [kind, address, length]), [
    ["bytes", 0n, BigInt(page)],
    ["zeros", BigInt(page), BigInt(page)],
    ["unreadable", BigInt(2 * page), BigInt(2 * page)],
  ]);
});

Deno.test("file: --write stores into the file, and only then", async () => {
  await using dir = await folder();
  const { raw, layout } = await writeImage("split_256_two_regions", dir.path);
  await using guest = await attach(`file:${raw}`, { layout, write: true });
  // The last two bytes of region 0 and, at 4 GiB, the first of region 1 lie side by side in the file.
  guest.writable!.write(0x7ffffen, new Uint8Array([1, 2]));
  guest.writable!.write(0x100000000n, new Uint8Array([3]));
  const fd = sys.open(raw, 0);
  const bytes = new Uint8Array(3);
  sys.pread(fd, bytes, 0x7ffffe);
  sys.close(fd);
  assertEquals([...bytes], [1, 2, 3]);
});

Deno.test("file: a renamed image is found through the target's path", async () => {
  await using dir = await folder();
  const { raw, layout } = await writeImage("split_256_chain1", dir.path);
  await Deno.rename(raw, `${dir.path}/other.img`);
  await using guest = await attach(`file:${dir.path}/other.img`, { layout });
  assertEquals(guest.memory.table.regions[0].name, "other.img");
});

Deno.test("file: several files stand beside the layout; the target is one of them", async () => {
  await using dir = await folder();
  await Deno.writeFile(`${dir.path}/a.ram`, new Uint8Array(8192).fill(0xaa));
  await Deno.writeFile(`${dir.path}/b.ram`, new Uint8Array(8192).fill(0xbb));
  // Offsets need no alignment.
  const memory = [
    { file: "a.ram", gpa: "0x0", size: 4096, offset: 1 },
    { file: "b.ram", gpa: "0x1000", size: 4096, offset: 4095 },
  ];
  const layout = `${dir.path}/l.json`;
  await Deno.writeTextFile(layout, JSON.stringify({ format: "ring-image/1", memory }));
  await using guest = await attach(`file:${dir.path}/a.ram`, { layout });
  assertEquals([...guest.memory.bytes(0xfffn, 2)], [0xaa, 0xbb]);
  const error = await assertRejects(() => attach(`file:${dir.path}/c.ram`, { layout }));
  assertEquals(
    (error as Error).message,
    "layout memory: wanted the file c.ram among them, got a.ram or b.ram",
  );
});

Deno.test("file: a layout that lies about the file's length is refused", async () => {
  await using dir = await folder();
  const { raw, layout } = await writeImage("split_256_chain1", dir.path);
  await Deno.truncate(raw, 8192);
  const error = await assertRejects(() => attach(`file:${raw}`, { layout })) as ProtocolError;
  assertEquals(error.protocol, "layout");
  assertEquals(error.item, "memory[0].size");
  assertEquals(error.wanted, `at most 8192 (${raw} has 8192 bytes)`);
  assertEquals(held(dir.path), 0);
  const whole = (size: number) =>
    Deno.writeTextFile(
      layout,
      JSON.stringify({ format: "ring-image/1", memory: [{ file: "a", gpa: 0, size }] }),
    );
  await whole(8193);
  assertEquals((await refused(`file:${raw}`, layout)).item, "memory[0].size");
  await whole(8192);
  await (await attach(`file:${raw}`, { layout }))[Symbol.asyncDispose]();
});

async function refused(target: string, layout: string): Promise<ProtocolError> {
  return await assertRejects(() => attach(target, { layout })) as ProtocolError;
}

Deno.test("file: what is no RAM file is refused by what it is", async () => {
  await using dir = await folder();
  await Deno.writeFile(`${dir.path}/empty`, new Uint8Array());
  await new Deno.Command("mkfifo", { args: [`${dir.path}/fifo`] }).output();
  const cases: [string, string, string][] = [
    [`${dir.path}/missing`, "not-found", "ENOENT"],
    [`${dir.path}/empty/file`, "not-found", "ENOTDIR"],
    [`${dir.path}/empty`, "unsupported", "is empty"],
    [`${dir.path}/fifo`, "unsupported", "is a pipe"],
    [dir.path, "unsupported", "is a directory"],
    ["/dev/null", "unsupported", "is a character device"],
  ];
  for (const [path, kind, text] of cases) {
    const error = await refusal(`file:${path}`);
    assertEquals(error.kind, kind, path);
    assert(error.message.includes(text), error.message);
    assert(error.remedy !== "", path);
  }
});

Deno.test("file: missing rights are a matter of permission", async () => {
  await using dir = await folder();
  const { raw } = await writeImage("split_256_chain1", dir.path);
  // Root may read everything, so the refusal is made up.
  const denied = fakeSys({ real: sys, fail: [{ call: "open", errno: "EACCES" }] });
  const error = await refusal(`file:${raw}`, { sys: denied.sys });
  assertEquals(error.kind, "permission");
  assert(error.remedy.includes("root"), error.remedy);
});

Deno.test("shm: names a file of /dev/shm and nothing else", async () => {
  const name = `guestmem-test-${crypto.randomUUID()}`;
  await Deno.writeFile(`/dev/shm/${name}`, new Uint8Array(4096).fill(7));
  try {
    await using guest = await attach(`shm:${name}`);
    assertEquals([...guest.memory.bytes(4094n, 2)], [7, 7]);
    await guest.refresh();
    await Deno.remove(`/dev/shm/${name}`);
    // What is mapped stays; that the file is gone is said.
    assertEquals([...guest.memory.bytes(4094n, 2)], [7, 7]);
    const error = await assertRejects(() => guest.refresh());
    assertEquals((error as SourceError).kind, "not-found");
  } finally {
    await Deno.remove(`/dev/shm/${name}`).catch(() => {});
  }
  assertEquals((await refusal("shm:..")).kind, "not-found");
});

Deno.test("file: refresh reads the layout again and remaps memory that grew", async () => {
  await using dir = await folder();
  const raw = `${dir.path}/ram`;
  await Deno.writeFile(raw, new Uint8Array(4096).fill(1));
  {
    await using guest = await attach(`file:${raw}`);
    const old = guest.memory;
    await Deno.writeFile(raw, new Uint8Array(8192).fill(2));
    await guest.refresh();
    assertEquals(guest.memory.table.size, 8192n);
    assertEquals([...guest.memory.bytes(8191n, 1)], [2]);
    assertEquals(old.table.size, 4096n);
    assert(held(dir.path) > 0);
  }
  assertEquals(held(dir.path), 0);
});

Deno.test("file: what a refresh replaced is unmapped by the next, and what it could not open at once", async () => {
  await using dir = await folder();
  const raw = `${dir.path}/ram`;
  const grow = (pages: number) => Deno.truncateSync(raw, pages * 4096);
  await Deno.writeFile(raw, new Uint8Array(4096).fill(1));
  {
    await using guest = await attach(`file:${raw}`);
    const one = held(dir.path);
    for (let pages = 2; pages < 7; pages++) {
      const before = guest.memory;
      grow(pages);
      await guest.refresh();
      assertEquals(held(dir.path), 2 * one, "the new one, and the one before");
      assertEquals(before.bytes(0n, 1).length, 1);
    }
    await guest.refresh();
    assertEquals(held(dir.path), one);
  }
  await Deno.writeFile(`${dir.path}/more`, new Uint8Array(4096));
  const layout = `${dir.path}/layout.json`;
  const write = (size: number) =>
    Deno.writeTextFile(
      layout,
      JSON.stringify({
        format: "ring-image/1",
        memory: [{ file: "ram", gpa: 0, size: 4096 }, { file: "more", gpa: 4096, size }],
      }),
    );
  await write(4096);
  {
    await using guest = await attach(`file:${raw}`, { layout });
    const both = held(dir.path);
    await write(8192);
    for (let tries = 0; tries < 5; tries++) await assertRejects(() => guest.refresh());
    assertEquals(held(dir.path), both);
  }
  assertEquals(held(dir.path), 0);
});
