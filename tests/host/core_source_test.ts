/** `core:FILE` on files made by hand: what attaches, what is refused, what a cut file still gives. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { diagnoseGuest } from "../../lib/diagnose/guest.ts";
import { readSpans } from "../../lib/dump/pieces.ts";
import { SourceError } from "../../lib/errors.ts";
import { parseTarget } from "../../lib/guest/target.ts";
import { openRing } from "../../lib/ring/ring.ts";
import { coreSource } from "../../lib/source/core.ts";
import type { Attachment, AttachOptions } from "../../lib/source/source.ts";
import { cut, elfCore, flattened, kdump, PAGE, page } from "../support/core_files.ts";
import { holdings, sys } from "../support/host.ts";
import { image } from "../support/images.ts";
import { present } from "../support/qemu_target.ts";

/** Writes a file, runs a test with its path, removes it, and looks for what was left open. */
async function withFile(
  bytes: Uint8Array,
  run: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile({ prefix: "guestmem-core-" });
  try {
    await Deno.writeFile(path, bytes);
    await run(path);
    assertEquals(holdings(path), { fds: 0, maps: 0 });
  } finally {
    await Deno.remove(path);
  }
}

function attach(path: string, more: Partial<AttachOptions> = {}): Promise<Attachment> {
  const options = { sys, write: false, layout: null, signal: null, log: () => {} };
  return coreSource.attach(parseTarget(`core:${path}`, () => true), { ...options, ...more });
}

async function refusal(bytes: Uint8Array, more: Partial<AttachOptions> = {}): Promise<SourceError> {
  const errors: SourceError[] = [];
  await withFile(bytes, async (path) => {
    const error = await assertRejects(() => attach(path, more));
    if (!(error instanceof SourceError)) throw error;
    errors.push(error);
  });
  return errors[0];
}

/** Guest address and length of every region. */
function table({ memory }: Attachment): string[] {
  return memory.table.regions.map(({ guest, length }) =>
    `${guest.toString(16)}+${length.toString(16)}`
  );
}

/** State of a page: its bytes, or why there are none. */
function stateOf({ memory }: Attachment, address: bigint): string {
  const [span] = memory.read(address, BigInt(PAGE));
  return span.state === "bytes"
    ? `page ${[1, 2, 3].find((n) => page(n).every((byte, at) => byte === span.bytes[at]))}`
    : span.state === "hole"
    ? "hole"
    : `unreadable ${span.errno}`;
}

const SEGMENTS = [
  { address: 0x1000n, bytes: page(1) },
  { address: 0x2000n, bytes: page(2) },
  { address: 0x8000n, bytes: page(3) },
];

Deno.test("core: an ELF dump by guest address, with its holes", async () => {
  await withFile(elfCore(SEGMENTS), async (path) => {
    await using guest = await attach(path);
    assertEquals(table(guest), ["1000+1000", "2000+1000", "8000+1000"]);
    assertEquals(
      [0x1000n, 0x2000n, 0x3000n, 0x8000n].map((at) => stateOf(guest, at)),
      ["page 1", "page 2", "hole", "page 3"],
    );
    assertEquals([guest.writable, guest.devices.length], [null, 0]);
    assertEquals(guest.note, "a dump does not say where its rings are");
  });
});

Deno.test("core: an ELF dump cut short loses its end and nothing else", async () => {
  const file = elfCore(SEGMENTS);
  const lines: string[] = [];
  await withFile(file.subarray(0, file.length - PAGE - 100), async (path) => {
    await using guest = await attach(path, { notice: (line) => lines.push(line) });
    assertEquals(lines, present(guest.warnings).map((text) => `${path}: ${text}`));
    assertEquals(
      [0x1000n, 0x2000n, 0x8000n].map((at) => stateOf(guest, at)),
      // The second page lacks its last 100 bytes, the third segment all of them.
      ["page 1", "page undefined", "unreadable ENODATA"],
    );
    const [part, rest] = guest.memory.read(0x2000n, BigInt(PAGE));
    assertEquals([part.length, rest.state, rest.length], [PAGE - 100, "unreadable", 100n]);
  });
  assertStringIncludes(lines[0], "only the first 0xf9c are in the file, the rest is unreadable");
  assertStringIncludes(lines[1], "is not in the file: unreadable");
});

Deno.test("core: a segment that lies hides none of the others, and all of it is told", async () => {
  const [first, ...others] = SEGMENTS;
  for (const lie of [{ offset: 1n << 62n }, { length: 1n << 60n }]) {
    await withFile(elfCore([{ ...first, ...lie }, ...others]), async (path) => {
      await using guest = await attach(path);
      const [state, told] = "offset" in lie
        ? ["unreadable ENODATA", /^segment 0 .* is not in the file: unreadable$/]
        : [
          "page 1",
          /^segment 0 .*: only the first 0x1000 are in the file, the rest is impossible/,
        ];
      assertEquals(
        [0x1000n, 0x2000n, 0x8000n].map((at) => stateOf(guest, at)),
        [state, "page 2", "page 3"],
      );
      assertEquals(guest.warnings?.length, 1);
      assertMatch(present(guest.warnings)[0], told);
    });
  }
  const twice = { address: 0x1800n, bytes: page(2) };
  await withFile(elfCore([first, twice]), async (path) => {
    await using guest = await attach(path);
    assertEquals(table(guest), ["1000+1000", "2000+800"]);
    assertMatch(present(guest.warnings)[0], /overlap at 0x1800/);
  });
});

Deno.test("core: a dump that promises more than there is costs no time to look through", async () => {
  const vast = { address: 0x2000n, bytes: page(2), length: 1n << 51n };
  await withFile(elfCore([SEGMENTS[0], vast]), async (path) => {
    await using guest = await attach(path);
    const kinds = readSpans(guest.memory, 0n, 1n << 52n, new Uint8Array(1 << 18)).take(20)
      .map(({ kind }) => kind).toArray();
    assertEquals(kinds, ["hole", "bytes", "bytes", "unreadable", "hole"]);
  });
});

Deno.test("core: kdump, flattened or not, by guest address", async () => {
  const pages = [1, 2, 3].map((n) => ({ number: n === 3 ? 8 : n, bytes: page(n) }));
  const plain = kdump(pages, 16);
  for (const file of [plain, flattened(cut(plain, 5000))]) {
    await withFile(file, async (path) => {
      await using guest = await attach(path);
      assertEquals(table(guest), ["1000+2000", "8000+1000"]);
      assertEquals(
        [0x1000n, 0x2000n, 0x3000n, 0x8000n].map((at) => stateOf(guest, at)),
        ["page 1", "page 2", "hole", "page 3"],
      );
    });
  }
});

Deno.test("core: a broken block of a kdump is unreadable, and its neighbours are not", async () => {
  const pages = [1, 2, 3].map((number) => ({
    number,
    bytes: page(number),
    stored: number === 2 ? "broken" as const : "zlib" as const,
  }));
  await withFile(kdump(pages, 8), async (path) => {
    await using guest = await attach(path);
    assertEquals(
      [0x1000n, 0x2000n, 0x3000n].map((at) => stateOf(guest, at)),
      ["page 1", "unreadable EIO", "page 3"],
    );
  });
});

Deno.test("core: rings of a layout are read out of the dump", async () => {
  const { buffer, layout, config, expect } = image("split_256_chain3");
  const file = elfCore([{ address: layout.memory[0].gpa, bytes: new Uint8Array(buffer) }]);
  await withFile(file, async (path) => {
    const json = await Deno.makeTempFile({ suffix: ".json" });
    try {
      await Deno.writeTextFile(json, layoutText(layout.memory[0].size, config));
      await using guest = await attach(path, { layout: json });
      const ring = present(guest.devices[0].queues[0].ring);
      const snapshot = openRing(guest.memory, ring).snapshot();
      assertEquals([snapshot.chainCount, snapshot.findings], [expect?.chains, []]);
      assertEquals(guest.note, "");
    } finally {
      await Deno.remove(json);
    }
  });
});

/** A layout as `find --carve -o` writes it. */
function layoutText(size: bigint, config: ReturnType<typeof image>["config"]): string {
  const value = {
    format: "ring-image/1",
    memory: [{ file: "any", gpa: "0x0", size: Number(size), offset: 0 }],
    devices: [{
      type: "blk",
      queues: [{
        layout: config.format,
        queue_size: config.size,
        desc: config.descriptor,
        avail: config.driver,
        used: config.device,
        features: config.features,
        last_avail_idx: config.start?.index,
      }],
    }],
  };
  return JSON.stringify(
    value,
    (_, item) => typeof item === "bigint" ? `0x${item.toString(16)}` : item,
  );
}

Deno.test("core: what is no dump of a guest says what would be", async () => {
  const text = new TextEncoder().encode("a text file of some length, no dump at all\n");
  assertStringIncludes((await refusal(text)).message, "neither an ELF core nor a kdump");
  const process = elfCore([{ address: 0n, bytes: page(1) }, { address: 0n, bytes: page(2) }]);
  const error = await refusal(process);
  assertStringIncludes(error.message, "the core of a process, not of a guest");
  assertStringIncludes(error.remedy, "dump-guest-memory");
  const nothing = elfCore([{ address: 0n, bytes: page(1), type: 4 }]);
  assertStringIncludes((await refusal(nothing)).message, "no memory segment");
  const program = new Uint8Array(elfCore(SEGMENTS));
  program[16] = 3;
  const linked = await refusal(program);
  assertMatch(linked.message, /^core: read: \/\S+: elf e_type: wanted 4 \(ET_CORE\), got 3$/);
  assertStringIncludes(linked.remedy, "dump-guest-memory");
  const write = await refusal(elfCore(SEGMENTS), { write: true });
  assertStringIncludes(write.message, "nothing runs on what would be written");
  const empty = await refusal(new Uint8Array(0));
  assertStringIncludes(empty.message, "is empty");
  assertStringIncludes(empty.remedy, "an empty file is no dump: make one by dump-guest-memory");
});

Deno.test("core: a path that is not there, and one that is a folder", async () => {
  const absent = await assertRejects(() => attach("/no/such/dump"));
  assert(absent instanceof SourceError && absent.kind === "not-found", String(absent));
  const folder = await assertRejects(() => attach("/tmp"));
  assert(folder instanceof SourceError, String(folder));
  assertStringIncludes(folder.message, "a directory");
});

Deno.test("core: a diagnosis is one look, at once, and tells no time and nothing to kick", async () => {
  const bytes = new Uint8Array(0x6000);
  const view = new DataView(bytes.buffer);
  // One buffer is available, and none was used.
  view.setBigUint64(0x1000, 0x5000n, true);
  view.setUint32(0x1008, 16, true);
  view.setUint16(0x2002, 1, true);
  await withFile(elfCore([{ address: 0n, bytes }]), async (path) => {
    const ring = { layout: "split", queue_size: 8, features: "0x120000000" };
    const queue = { ...ring, desc: "0x1000", avail: "0x2000", used: "0x3000" };
    const devices = [{ name: "blk0", type: "blk", queues: [queue] }];
    const layout = await Deno.makeTempFile({ suffix: ".json" });
    await Deno.writeTextFile(layout, JSON.stringify({ format: "ring-image/1", devices }));
    const started = performance.now();
    const options = { sys, layout, duration: 60_000, looks: 5 };
    const { still, queues } = await diagnoseGuest(`core:${path}`, options);
    await Deno.remove(layout);
    assert(performance.now() - started < 30_000);
    const [{ verdict, observed, next, evidence }] = queues;
    assertEquals([still, queues.length, verdict, observed], [true, 1, "lost kick", null]);
    assertEquals(next, `guestmem dump ring core:${path}/blk0:0`);
    assert(evidence.length > 0);
  });
});
