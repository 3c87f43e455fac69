import { assertEquals } from "@std/assert";
import { parseFlatView, parseHostAddress } from "../../lib/wire/qmp/mtree.ts";
import { fixture } from "../support/monitor.ts";

/** `start-end name@offset access` of every range. */
function shown(text: string): string[] | undefined {
  return parseFlatView(text)?.map(({ start, end, name, offset, writable }) =>
    `${start.toString(16)}-${end.toString(16)} ${name}@${offset.toString(16)} ${
      writable ? "rw" : "ro"
    }`
  );
}

const BIOS = "fffc0000-100000000 pc.bios@0 ro";

Deno.test("6 GiB: q35 goes on above 4 GiB where 2 GiB end, pc where 3 GiB end", () => {
  assertEquals(shown(fixture("mtree-memfd6g.txt")), [
    "0-80000000 ram0@0 rw",
    BIOS,
    "100000000-200000000 ram0@80000000 rw",
  ]);
  assertEquals(shown(fixture("mtree-memfd6g-pc.txt")), [
    "0-c0000000 ram0@0 rw",
    BIOS,
    "100000000-1c0000000 ram0@c0000000 rw",
  ]);
});

Deno.test("NUMA nodes stay apart, a DIMM stands by itself", () => {
  assertEquals(shown(fixture("mtree-numa.txt")), [
    "0-40000000 ram0@0 rw",
    "40000000-80000000 ram1@0 rw",
    BIOS,
    "100000000-1c0000000 ram1@40000000 rw",
  ]);
  assertEquals(shown(fixture("mtree-dimm.txt")), [
    "0-20000000 ram0@0 rw",
    BIOS,
    "100000000-140000000 dm1@0 rw",
  ]);
});

Deno.test("ranges that follow one another are joined where they are one memory's, and only there", () => {
  const line = (start: number, name: string, offset: number) => {
    const hex = (value: number) => value.toString(16).padStart(16, "0");
    return `  ${hex(start)}-${hex(start + 0xfff)} (prio 0, ram): ${name} @${hex(offset)}\n`;
  };
  const view = (...lines: string[]) =>
    shown(`FlatView #0\n AS "memory", root: system\n${lines.join("")}`);
  assertEquals(view(line(0, "a", 0), line(0x1000, "a", 0x1000)), ["0-2000 a@0 rw"]);
  assertEquals(view(line(0, "a", 0), line(0x1000, "b", 0x1000)), [
    "0-1000 a@0 rw",
    "1000-2000 b@1000 rw",
  ]);
  assertEquals(view(line(0, "a", 0), line(0x1000, "a", 0x3000)), [
    "0-1000 a@0 rw",
    "1000-2000 a@3000 rw",
  ]);
  assertEquals(view(line(0, "a", 0), line(0x2000, "a", 0x1000)), [
    "0-1000 a@0 rw",
    "2000-3000 a@1000 rw",
  ]);
});

Deno.test("of a whole answer only the address space memory counts; an ivshmem BAR is memory", () => {
  assertEquals(shown(fixture("mtree-whole.txt")), [
    "0-20000000 ram0@0 rw",
    "fe400000-fe800000 ivm@0 rw",
    BIOS,
  ]);
  assertEquals(shown(fixture("mtree-whole.txt").replaceAll("\n", "\r\n"))?.length, 3);
});

// 0        e0000  f0000  100000
// |  ram0  |      | bios | ram0 …     the shadow is another memory: three ranges, not one
Deno.test("microvm has its firmware in the middle of RAM", () => {
  const [, reply] = fixture("microvm.jsonl").split("\n").map((line) => line && JSON.parse(line))
    .find((pair) => pair[0]?.arguments?.["command-line"] === "info mtree -f");
  assertEquals(shown(reply.return), [
    "0-f0000 ram0@0 rw",
    "f0000-100000 pc.bios@0 rw",
    "100000-20000000 ram0@100000 rw",
    "ffff0000-100000000 pc.bios@0 rw",
  ]);
});

Deno.test("registers, other address spaces and odd lines are no memory", () => {
  const line = (range: string, kind: string, name: string) =>
    `  ${range} (prio 0, ${kind}): ${name}`;
  const text = [
    "FlatView #0",
    ' AS "memory", root: system',
    line("0000000000000000-0000000000000fff", "ram", "odd name @ here @0000000000002000"),
    line("0000000000001000-0000000000001fff", "ramd", "0000:01:00.0 BAR 0 mmaps[0]"),
    line("0000000000002000-0000000000002fff", "i/o", "device"),
    line("0000000000003000-0000000000002fff", "ram", "backwards"),
    line("0000000000004000-0000000000004fff", "nv-ram", "nvdimm KVM"),
    "  nonsense",
    line("ffffffffffff0000-ffffffffffffffff", "rom", "top"),
  ].join("\n");
  assertEquals(shown(text), [
    "0-1000 odd name @ here@2000 rw",
    "4000-5000 nvdimm@0 rw",
    "ffffffffffff0000-10000000000000000 top@0 ro",
  ]);
  assertEquals(parseFlatView("No rendered FlatView"), null);
  assertEquals(parseFlatView(""), null);
});

Deno.test("gpa2hva", () => {
  const answer = "Host virtual address for 0x0 (ram0) is 0x7f3047fff000\n";
  assertEquals(parseHostAddress(answer), 0x7f3047fff000n);
  assertEquals(parseHostAddress("No memory is mapped at address 0x100000000\n"), null);
  assertEquals(parseHostAddress("Memory at address 0xfee00000 is not RAM"), null);
});
