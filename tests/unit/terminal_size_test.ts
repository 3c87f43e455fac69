/** The size of a terminal, and of one that has none. */
import { assertEquals } from "@std/assert";
import { sizeOr } from "../../cli/terminal_size.ts";

const none = { columns: 0, rows: 0 };
const variables = (set: Record<string, string>) => (name: string) => set[name];

Deno.test("a terminal's own size counts, whatever the variables say", () => {
  const size = sizeOr({ columns: 132, rows: 50 }, variables({ COLUMNS: "80", LINES: "24" }));
  assertEquals(size, { columns: 132, rows: 50 });
});

Deno.test("a serial line says 0: the variables count, else 80 columns and 24 rows", () => {
  assertEquals(sizeOr(none, variables({})), { columns: 80, rows: 24 });
  assertEquals(sizeOr(none, variables({ COLUMNS: "100" })), { columns: 100, rows: 24 });
  for (const bad of ["", "0", "-5", "80x", "1e9", "3.5"]) {
    assertEquals(sizeOr(none, variables({ COLUMNS: bad, LINES: bad })), { columns: 80, rows: 24 });
  }
});
