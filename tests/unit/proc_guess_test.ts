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

/** What else is there to a process. */
interface More {
  readonly owner?: number;
  /** Flags that an fd was opened with, in octal; default read-write. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** Where bytes are, offset, guest address and size of each entry; what is left out, last. */
function guessed(
  lines: readonly string[],
  links: Readonly<Record<string, string>> = {},
  { owner = 0, flags = {} }: More = {},
): string[] {
  const { sys } = fakeSys({
    script: {
      uid: 0,
      readText: (path: string) =>
        path.includes("/fdinfo/")
          ? `flags:\t${flags[path.slice(path.lastIndexOf("/") + 1)] ?? "0100002"}\n`
          : lines.join("\n") + "\n",
      readdir: () => Object.keys(links),
      readlink: (path: string) => links[path.slice(path.lastIndexOf("/") + 1)],
      stat: () => ({ uid: owner, inode: 42, size: 1 << 30 }) as never,
    },
  });
  const { layout, warnings } = guessLayout(sys, 4242);
  const places = layout.memory.map(({ bytes, offset, gpa, size }) => {
    const where = Object.values(bytes).map((value) =>
      typeof value === "bigint" ? value.toString(16) : value
    );
    return `${where.join(" ")}+${offset.toString(16)} at ${gpa.toString(16)}, ${size >> 20n} MiB`;
  });
  return [
    ...places,
    ...warnings.slice(1).map((text) => text.replace(/ are left out.*/, " left out")),
  ];
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

Deno.test("guessed memory: an fd by which the file can be read, of several", () => {
  const path = "/memfd:ram (deleted)";
  const map = [line(0x1000_0000_0000n, GIB, "rw-s", 0n, path)];
  const links = { 3: path, 5: path, 7: path };
  const flags = { 3: "010000000", 5: "0100001" };
  assertEquals(guessed(map, links, { flags }), ["fd 7+0 at 0, 1024 MiB"]);
});

Deno.test("guessed memory: a memfd that was closed, by its name where nothing else has that", () => {
  const path = "/memfd:ram (deleted)";
  const map = [line(0x1000_0000_0000n, GIB, "rw-s", 0n, path)];
  assertEquals(guessed(map), ["memfd ram+0 at 0, 1024 MiB"]);
  const twice = [
    ...map,
    line(0x2000_0000_0000n, 32n << 20n, "rw-s", 0n, path).replace(" 42 ", " 43 "),
  ];
  assertEquals(guessed(twice), [`1024 MiB of ${path} left out`, `32 MiB of ${path} left out`]);
});

Deno.test("guessed memory: of another user's process memfds alone", () => {
  const [memfd, file] = ["/memfd:ram (deleted)", "/dev/shm/ram"];
  const map = [
    line(0x1000_0000_0000n, GIB, "rw-s", 0n, memfd),
    line(0x2000_0000_0000n, GIB, "rw-s", 0n, file).replace(" 42 ", " 43 "),
  ];
  assertEquals(guessed(map, { 7: memfd, 8: file }, { owner: 1000 }), [
    "fd 7+0 at 0, 1024 MiB",
    `1024 MiB of ${file} left out`,
  ]);
});
