/** Guest memory guessed from a process's map, for a scan. */
import { assertEquals } from "@std/assert";
import { guessLayout } from "../../lib/source/proc_guess.ts";
import { fakeSys } from "../support/fake_sys.ts";

const GIB = 1n << 30n;

/** A line of /proc/PID/maps. */
function line(start: bigint, length: bigint, flags: string, offset = 0n, path = ""): string {
  const inode = path === "" ? 0 : 42;
  const range = `${start.toString(16)}-${(start + length).toString(16)}`;
  return `${range} ${flags} ${offset.toString(16)} 00:01 ${inode} ${path}`;
}

/** Where bytes are, offset, guest address and size of each entry. */
function guessed(lines: readonly string[], links: Readonly<Record<string, string>> = {}): string[] {
  const { sys } = fakeSys({
    script: {
      uid: 0,
      readText: () => lines.join("\n") + "\n",
      readdir: () => Object.keys(links),
      readlink: (path: string) => links[path.slice(path.lastIndexOf("/") + 1)],
      stat: () => ({ uid: 0, inode: 42, size: 1 << 30 }) as never,
    },
  });
  return guessLayout(sys, 4242).memory.map(({ bytes, offset, gpa, size }) => {
    const where = Object.values(bytes).map((value) =>
      typeof value === "bigint" ? value.toString(16) : value
    );
    return `${where.join(" ")}+${offset.toString(16)} at ${gpa.toString(16)}, ${size >> 20n} MiB`;
  });
}

Deno.test("guessed memory: anonymous, the largest first, and no code, stack or small buffer", () => {
  const mib = (count: number) => BigInt(count) << 20n;
  assertEquals(
    guessed([
      line(0x1000_0000n, mib(32), "rw-p"),
      line(0x2000_0000n, mib(64), "rw-p"),
      line(0x3000_0000n, mib(512), "rwxp"),
      line(0x6000_0000n, mib(64), "---p"),
      line(0x7000_0000n, mib(64), "rw-p", 0n, "[heap]"),
      line(0x8000_0000n, mib(8), "rw-p"),
      line(0x9000_0000n, mib(16), "rw-p", 0n, "/boot/vmlinux"),
    ]),
    [
      "address 20000000+0 at 0, 64 MiB",
      "address 10000000+0 at 4000000, 32 MiB",
      "address 90000000+0 at 6000000, 16 MiB",
    ],
  );
});

Deno.test("guessed memory: one large mapping goes on above the hole below 4 GiB", () => {
  assertEquals(guessed([line(0x7f00_0000_0000n, 5n * GIB, "rw-p")]), [
    "address 7f0000000000+0 at 0, 3072 MiB",
    "address 7f00c0000000+0 at 100000000, 2048 MiB",
  ]);
});

Deno.test("guessed memory: a shared file by fd, in the order of its offsets, each part once", () => {
  const path = "/memfd:ram (deleted)";
  const map = [
    line(0x1000_0000_0000n, GIB, "rw-s", 3n * GIB, path),
    line(0x2000_0000_0000n, 3n * GIB, "rw-s", 0n, path),
    line(0x3000_0000_0000n, 3n * GIB, "rw-s", 0n, path),
  ];
  assertEquals(guessed(map, { 7: path }), [
    "fd 7+0 at 0, 3072 MiB",
    "fd 7+c0000000 at 100000000, 1024 MiB",
  ]);
});

Deno.test("guessed memory: as many mappings as a guest has, of a process that has any number", () => {
  const many = Array.from({ length: 1000 }, (_, n) => line(BigInt(n + 1) << 32n, GIB, "rw-p"));
  assertEquals(guessed(many).length, 16);
});
