import { assertEquals } from "@std/assert";
import { parseMaps, stretches } from "../../lib/source/proc_maps.ts";
import { guessRanges } from "../../lib/source/qemu_layout.ts";
import { parseOptions } from "../../lib/source/qemu_cmdline.ts";
import type { QemuProcess } from "../../lib/source/qemu_process.ts";
import { SourceError } from "../../lib/errors.ts";
import { assertThrows } from "@std/assert";

/** From a real QEMU 7.2 with -m 6G on a shared memfd. */
const SIX_GIB = parseMaps(`\
7f26a4600000-7f26a4a25000 r--p 00000000 fe:00 2252903                    /srv/out/initrd.cpio
7f26a7eff000-7f26a7fff000 rw-p 00000000 00:00 0 
7f26a7fff000-7f2827fff000 rw-s 00000000 00:01 1394                       /memfd:memory-backend-memfd (deleted)
7f2827fff000-7f2828000000 ---p 00000000 00:00 0 
7f2828000000-7f2867fff000 rwxp 00000000 00:00 0 
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`);

Deno.test("maps: fields of real lines", () => {
  assertEquals(SIX_GIB.length, 6);
  assertEquals(SIX_GIB[2], {
    start: 0x7f26a7fff000n,
    end: 0x7f2827fff000n,
    readable: true,
    writable: true,
    executable: false,
    shared: true,
    offset: 0,
    file: { major: 0, minor: 1, inode: 1394 },
    path: "/memfd:memory-backend-memfd (deleted)",
  });
  assertEquals(SIX_GIB[3].file, null);
  assertEquals(SIX_GIB[5].path, "[vsyscall]");
  const odd = parseMaps("1000-2000 rw-s 0000a000 fe:1f 7   /a b\\012c\nnonsense\n\n");
  assertEquals([odd.length, odd[0].offset, odd[0].file?.minor, odd[0].path], [
    1,
    0xa000,
    0x1f,
    "/a b\\012c",
  ]);
});

/** Maps lines by start, end, flags, offset and inode, and what stands behind a range. */
function behind(lines: string[], address: bigint, length: bigint): string[] {
  const text = lines.map((line) => {
    const [range, flags, offset, inode] = line.split(" ");
    return `${range} rw-${flags} ${offset} 00:01 ${inode} ${inode === "0" ? "" : "/f" + inode}`;
  }).join("\n");
  return stretches(parseMaps(text), address, length).map((part) =>
    `${part.address.toString(16)}+${part.length.toString(16)} ` +
    (part.shared === null ? "own" : `${part.shared.file.inode}@${part.shared.offset.toString(16)}`)
  );
}

// maps     |---- A ----|---- A ----|-- B --|  (own) |--gap--|-- B --|
// offsets  0       1000        2000 0
// range        [---------------------------------------------]
Deno.test("stretches: what the kernel split is joined, what differs is not", () => {
  const split = ["1000-2000 s 0 5", "2000-3000 s 1000 5"];
  assertEquals(behind(split, 0x1000n, 0x2000n), ["1000+2000 5@0"]);
  assertEquals(behind(split, 0x1800n, 0x1000n), ["1800+1000 5@800"]);
  // The same file, but not the bytes that follow.
  assertEquals(behind(["1000-2000 s 0 5", "2000-3000 s 8000 5"], 0x1000n, 0x2000n), [
    "1000+1000 5@0",
    "2000+1000 5@8000",
  ]);
  assertEquals(
    behind(
      [
        "1000-2000 s 0 5",
        "2000-3000 s 0 6",
        "3000-4000 p 0 0",
        "4000-5000 p 0 6",
        "6000-7000 s 0 6",
      ],
      0x1000n,
      0x5800n,
    ),
    ["1000+1000 5@0", "2000+1000 6@0", "3000+2000 own", "6000+800 6@0"],
  );
  assertEquals(behind(["1000-2000 s 0 5"], 0x2000n, 0x1000n), []);
  assertEquals(behind([], 0n, 1n << 64n), []);
});

/** A process of which only its command line is known. */
function process(line: string): QemuProcess {
  const argv = line.split(" ");
  return { pid: 42, argv, options: parseOptions(argv), started: "1" };
}

/** `guest-end host` of each range. */
function guessed(line: string, maps = SIX_GIB): string[] {
  return guessRanges(process(line), maps).map(({ start, end, host }) =>
    `${start.toString(16)}-${end.toString(16)} ${host.toString(16)}`
  );
}

Deno.test("stretches: an offset that a number can not hold is no file's to us", () => {
  const [device] = parseMaps("1000-3000 rw-s 7fffffffffffe000 00:1f 7   /dev/odd\n");
  assertEquals(stretches([device], 0x1000n, 0x2000n)[0].shared, null);
});

Deno.test("guess: RAM of -m's size, laid out by machine type", () => {
  const high = (size: string) => `100000000-${size}`;
  assertEquals(guessed("qemu-system-x86_64 -M q35 -m 6G"), [
    "0-80000000 7f26a7fff000",
    `${high("200000000")} 7f2727fff000`,
  ]);
  for (const machine of ["-M pc", "-M pc-i440fx-7.2", "-M microvm", ""]) {
    assertEquals(guessed(`qemu-system-x86_64 ${machine} -m 6G`), [
      "0-c0000000 7f26a7fff000",
      `${high("1c0000000")} 7f2767fff000`,
    ], machine);
  }
  assertEquals(guessed("qemu-system-aarch64 -M virt -m 6G"), ["40000000-1c0000000 7f26a7fff000"]);
});

Deno.test("guess: small machines have one range, below the limits QEMU 7.2 was seen to use", () => {
  const ends = (machine: string, megabytes: number) => {
    const size = (BigInt(megabytes) << 20n).toString(16);
    const maps = parseMaps(
      `100000000000-${(0x100000000000n + BigInt("0x" + size)).toString(16)} ` +
        `rw-p 00000000 00:00 0`,
    );
    return guessed(`qemu-system-x86_64 -M ${machine} -m ${megabytes}`, maps).length;
  };
  assertEquals([ends("q35", 2815), ends("q35", 2816)], [1, 2]);
  assertEquals([ends("pc", 3583), ends("pc", 3584)], [1, 2]);
  assertEquals([ends("microvm", 3072), ends("microvm", 3073)], [1, 2]);
});

Deno.test("guess: nothing is guessed where it is not clear", () => {
  for (
    const [line, why] of [
      ["qemu-system-x86_64 -m 4G", "no single memory of 4294967296 bytes"],
      ["qemu-system-x86_64", "no single memory of 134217728 bytes"],
      ["qemu-system-x86_64 -M isapc -m 6G", "machine type not known"],
      ["qemu-system-x86_64 -M pc,max-ram-below-4g=1G -m 6G", "machine type not known"],
      ["qemu-system-riscv64 -M virt -m 6G", "machine type not known"],
    ]
  ) {
    const error = assertThrows(() => guessed(line), SourceError);
    assertEquals([error.kind, error.message.endsWith(why)], ["unsupported", true], error.message);
  }
  const twins = parseMaps("1000-2000 rw-p 0 00:00 0\n5000-6000 rw-p 0 00:00 0\n");
  assertThrows(() => guessed("qemu-system-x86_64 -m 4K", twins), SourceError);
});
