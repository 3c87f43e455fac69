import { assertEquals } from "@std/assert";
import { parseLayout } from "../../lib/source/layout.ts";
import { memoryEntries, type SharedFile } from "../../lib/source/vhost_pair.ts";

const file = (fd: number | null, ...mappings: [address: bigint, offset: number][]): SharedFile => ({
  pid: 1,
  fd,
  path: "/memfd:ram (deleted)",
  mappings: mappings.map(([address, offset]) => ({ address, length: 0x4000n, offset })),
});

//  file       0x0     0x2000    0x4000    0x6000    0x8000
//  mappings   [ first          )[ third            )
//                     [ second          )                     shows what they do
Deno.test("mappings of a front-end that show bytes twice are taken once", () => {
  const one = file(5, [0x7000_0000n, 0x4000], [0x6000_0000n, 0x2000], [0x5000_0000n, 0], [
    0x4000_0000n,
    0,
  ]);
  const other = file(6, [0x9000_0000n, 0]);
  const memory = memoryEntries({ files: [one, file(null, [0x1000n, 0]), other] });
  assertEquals(memory.map(({ gpa, user_address, fd }) => [gpa, user_address, fd]), [
    ["0x0", "0x50000000", 5],
    ["0x4000", "0x70000000", 5],
    ["0x10000000", "0x90000000", 6],
  ]);
  // A layout that can be.
  parseLayout(JSON.stringify({ format: "ring-image/1", memory, devices: [] }));
});
