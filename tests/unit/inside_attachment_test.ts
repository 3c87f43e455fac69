import { assertEquals, assertThrows } from "@std/assert";
import { SourceError } from "../../lib/errors.ts";
import { InsideAttachment, type InsideParts } from "../../lib/source/inside.ts";

function parts(look: InsideParts["look"]): InsideParts & { released: () => number } {
  let released = 0;
  const resources = new DisposableStack();
  resources.defer(() => void released++);
  const target = { scheme: "pci", what: "0000:00:03.0", device: null, queue: null, text: "" };
  return {
    ...{ target, write: false, regions: [], resources, look, kicks: () => [] },
    released: () => released,
  };
}

Deno.test("a device that is gone before it was looked at leaves nothing mapped", () => {
  const gone = parts(() => {
    throw new SourceError("pci", "look up", "not-found", "no PCI device");
  });
  assertThrows(() => new InsideAttachment(gone), SourceError, "no PCI device");
  assertEquals(gone.released(), 1);
});

Deno.test("what is mapped stays so until the attachment is disposed", async () => {
  const there = parts(() => ({ devices: [], note: "seen" }));
  const attachment = new InsideAttachment(there);
  assertEquals([attachment.note, there.released()], ["seen", 0]);
  await attachment[Symbol.asyncDispose]();
  assertEquals(there.released(), 1);
});
