import { assertEquals } from "@std/assert";
import { trimmedHeap } from "../../lib/watch/trimmed_heap.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("the heap is trimmed again and again, until disposed", async () => {
  let times = 0;
  const twice = Promise.withResolvers<void>();
  const trimHeap = () => {
    if (++times === 2) twice.resolve();
  };
  const collected: unknown[] = [];
  using undo = new DisposableStack();
  undo.defer(() => Reflect.deleteProperty(globalThis, "gc"));
  Object.assign(globalThis, { gc: (how: unknown) => collected.push(how) });
  {
    using _heap = trimmedHeap({ trimHeap }, 1);
    await twice.promise;
  }
  assertEquals(collected.slice(0, 2), [{ type: "major" }, { type: "major" }]);
  const before = times;
  await pause(10);
  assertEquals(times, before);
});
