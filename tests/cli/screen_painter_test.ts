/** What is written to show other lines. */
import { assertEquals } from "@std/assert";
import { Painter } from "../../cli/screen/painter.ts";

const row = (number: number, text: string) => `\x1b[${number};1H\x1b[K${text}`;

Deno.test("only rows that changed are written", () => {
  const painter = new Painter();
  assertEquals(painter.paint(["a", "b", ""]), `\x1b[2J${row(1, "a")}${row(2, "b")}${row(3, "")}`);
  assertEquals(painter.paint(["a", "b", ""]), "");
  assertEquals(painter.paint(["a", "c", ""]), row(2, "c"));
  assertEquals(painter.paint(["", "c", "d"]), row(1, "") + row(3, "d"));
});

Deno.test("another number of rows, or another owner of the terminal, wants everything anew", () => {
  const painter = new Painter();
  painter.paint(["a", "b"]);
  assertEquals(painter.paint(["a"]), `\x1b[2J${row(1, "a")}`);
  painter.reset();
  assertEquals(painter.paint(["a"]), `\x1b[2J${row(1, "a")}`);
});
