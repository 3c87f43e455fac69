/** What to type next must be there to be typed. */
import { assertEquals } from "@std/assert";
import { type Suggestible, suggestion } from "../../lib/diagnose/suggest.ts";
import { VERDICTS } from "../../lib/ring/stall.ts";

const TARGET = "qemu:7/blk0:0";

function queue(more: Partial<Suggestible> = {}): Suggestible {
  return { target: TARGET, unread: false, halted: null, canNotify: () => true, ...more };
}

Deno.test("a kick is suggested for the side that can be notified, and for no other", () => {
  const call = queue({ canNotify: (side) => side === "call" });
  const kick = queue({ canNotify: (side) => side === "kick" });
  assertEquals(suggestion("driver not reaping", call), `guestmem kick ${TARGET} --call`);
  assertEquals(suggestion("driver not reaping", kick), `guestmem dump ring ${TARGET}`);
  for (const verdict of ["lost kick", "kicks suppressed"] as const) {
    assertEquals(suggestion(verdict, kick), `guestmem kick ${TARGET}`);
    assertEquals(suggestion(verdict, call), `guestmem dump ring ${TARGET}`);
  }
});

Deno.test("of a guest that does not run, what sets it going; of one that is broken, its ring", () => {
  const halted = { why: "stopped", remedy: "", command: "kill -CONT 7" };
  const said = VERDICTS.map((verdict) => suggestion(verdict, queue({ halted })));
  const well = VERDICTS.indexOf("moving");
  assertEquals(said[0], `guestmem dump ring ${TARGET}`);
  assertEquals(new Set(said.slice(1, well)), new Set(["kill -CONT 7"]));
  assertEquals(new Set(said.slice(well)), new Set([""]));
  const debugged = queue({ halted: { ...halted, command: "" } });
  assertEquals(suggestion("not ready", debugged), "guestmem dump config qemu:7/blk0");
});

Deno.test("of a ring that can not be read, what says which part of it", () => {
  assertEquals(suggestion("not ready", queue({ unread: true })), `guestmem dump ring ${TARGET}`);
});
