/** Tables on terminals that are too narrow for them. */
import { assertEquals } from "@std/assert";
import { stripAnsiCode } from "../../cli/render/colors.ts";
import { fitTable } from "../../cli/render/fit.ts";
import { findText } from "../../cli/render/find.ts";
import type { Table } from "../../cli/render/table.ts";
import type { Guest } from "../../lib/guest/guest.ts";

const TABLE: Table = {
  columns: [{ head: "A" }, { head: "B" }, { head: "C", align: "right" }],
  rows: [["one", "two", "3"], ["漢字", "", "44"]],
};

function fitted(table: Table, width: number, spare: readonly string[]): string {
  return stripAnsiCode(fitTable(table, width, spare));
}

Deno.test("columns go in the order they are spare, as many as it takes", () => {
  const whole = "A     B     C\none   two   3\n漢字       44";
  assertEquals(fitted(TABLE, Infinity, ["B", "A"]), whole);
  assertEquals(fitted(TABLE, 13, ["B", "A"]), whole);
  assertEquals(fitted(TABLE, 12, ["B", "A"]), "A      C\none    3\n漢字  44");
  assertEquals(fitted(TABLE, 7, ["B", "A"]), " C\n 3\n44");
});

Deno.test("what is not spare stays, wider than the terminal", () => {
  assertEquals(fitted(TABLE, 1, ["no such column", "A"]), "B     C\ntwo   3\n     44");
});

Deno.test("find leaves out what the target tells, never the target", () => {
  const ring = {
    format: "split",
    size: 256,
    features: 0n,
    addressSpace: "guest",
    descriptor: 0n,
    driver: 0n,
    device: 0n,
  } as const;
  const guest: Guest = {
    target: "qemu:4242",
    name: "a guest with a name that is long",
    kind: "qemu",
    pid: 4242,
    state: "running",
    memory: 1n << 30n,
    note: "",
    devices: [{
      name: "virtio-balloon0",
      type: 5,
      bus: { kind: "pci", id: "" },
      status: null,
      features: 0n,
      vhost: null,
      note: "",
      queues: [{ index: 0, name: "inflate", ring, note: "" }],
    }],
  };
  assertEquals(
    stripAnsiCode(findText([guest], 80)),
    `KIND  NAME                              QUEUE        TARGET
qemu  a guest with a name that is long               qemu:4242
                                        0 (inflate)  qemu:4242/virtio-balloon0:0`,
  );
});
