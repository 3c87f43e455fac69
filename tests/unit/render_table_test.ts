import { assertEquals } from "@std/assert";
import { green, setColorEnabled } from "../../cli/render/colors.ts";
import { renderPlain, renderTable } from "../../cli/render/table.ts";

const COLUMNS = [{ head: "NAME" }, { head: "SIZE", align: "right" }, { head: "NOTE" }] as const;

/** Runs with colours on or off, and leaves them off: other tests compare plain text. */
function withColor(on: boolean, run: () => void): void {
  setColorEnabled(on);
  try {
    run();
  } finally {
    setColorEnabled(false);
  }
}

Deno.test("columns are aligned, and lines end without blanks", () =>
  withColor(false, () => {
    const rows = [["ram", "256M", ""], ["pc.bios", "4K", "rom"]];
    assertEquals(
      renderTable({ columns: COLUMNS, rows }),
      "NAME     SIZE  NOTE\nram      256M\npc.bios    4K  rom",
    );
  }));

Deno.test("a column that is empty everywhere is left out", () =>
  withColor(false, () => {
    assertEquals(
      renderTable({ columns: COLUMNS, rows: [["a", "1", ""]] }),
      "NAME  SIZE\na        1",
    );
    assertEquals(renderTable({ columns: COLUMNS, rows: [] }), "");
  }));

Deno.test("wide characters take two places, colours none", () =>
  withColor(true, () => {
    const rows = [["漢字", { text: "1", paint: green }, "x"], ["abcd", "22", "y"]];
    const lines = renderTable({ columns: COLUMNS, rows }).split("\n");
    // deno-lint-ignore no-control-regex
    const bare = lines.map((line) => line.replaceAll(/\x1b\[[0-9]+m/g, ""));
    assertEquals(bare, ["NAME  SIZE  NOTE", "漢字     1  x", "abcd    22  y"]);
    assertEquals(lines[1].includes("\x1b[32m1\x1b[39m"), true);
  }));

Deno.test("a cell can not leave its cell", () =>
  withColor(false, () => {
    const rows = [["a\tb\nc", "\x1b[31m", "\u202e"]];
    assertEquals(renderPlain({ columns: COLUMNS, rows }), "a\\tb\\nc\t\\x1b[31m\t\\u{202e}");
    assertEquals(renderTable({ columns: COLUMNS, rows }).split("\n").length, 2);
  }));

Deno.test("a hundred thousand rows do not overflow anything", () =>
  withColor(false, () => {
    const rows = Array.from({ length: 200_000 }, (_, i) => [String(i), "", ""]);
    assertEquals(renderTable({ columns: COLUMNS, rows }).split("\n").length, 200_001);
  }));
