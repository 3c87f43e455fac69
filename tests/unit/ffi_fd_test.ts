import { assertEquals, assertThrows } from "@std/assert";
import { closeAll, Fd } from "../../ffi/fd.ts";
import { fakeSys } from "../support/fake_sys.ts";

Deno.test("an fd is closed once", () => {
  const { sys, log } = fakeSys({ script: { close: () => {} } });
  const fd = new Fd(sys, 5);
  {
    using owned = fd;
    assertEquals(owned.number, 5);
  }
  fd.close();
  assertEquals(log, [{ call: "close", args: [5] }]);
  assertThrows(() => fd.number, Error, "closed");
});

Deno.test("a taken fd is the caller's", () => {
  const { sys, log } = fakeSys({ script: { close: () => {} } });
  const fd = new Fd(sys, 5);
  assertEquals(fd.take(), 5);
  assertEquals(fd.isOpen, false);
  fd.close();
  assertEquals(log, []);
  assertThrows(() => fd.take(), Error, "closed");
});

Deno.test("an fd whose close fails is not closed again", () => {
  const fail = [{ call: "close", errno: "EINTR" }] as const;
  const { sys, names } = fakeSys({ script: { close: () => {} }, fail });
  const fd = new Fd(sys, 5);
  assertThrows(() => fd.close(), Error, "EINTR");
  fd.close();
  assertEquals(names(), ["close"]);
});

Deno.test("what is no fd is refused", () => {
  const { sys } = fakeSys();
  for (const number of [-1, 1.5, NaN]) assertThrows(() => new Fd(sys, number), RangeError);
});

Deno.test("closeAll closes the rest where one fails", () => {
  const fail = [{ call: "close", errno: "EBADF", nth: 2 }] as const;
  const { sys, log } = fakeSys({ script: { close: () => {} }, fail });
  closeAll(sys, [1, 2, 3]);
  assertEquals(log.map(({ args }) => args[0]), [1, 2, 3]);
  const bug = () => {
    throw new TypeError("a bug of ours");
  };
  assertThrows(() => closeAll({ close: bug }, [1]), TypeError, "a bug of ours");
});

Deno.test("the fake fails the call it is told to, and knows no undeclared one", () => {
  const script = { dup: (fd: number) => fd + 1, pid: 42 };
  const { sys, names } = fakeSys({ script, fail: [{ call: "dup", errno: "EMFILE", nth: 2 }] });
  assertEquals([sys.dup(1), sys.pid], [2, 42]);
  assertThrows(() => sys.dup(1), Error, "dup fake: EMFILE");
  assertEquals(sys.dup(3), 4);
  assertThrows(() => sys.close(1), Error, "undeclared use of sys.close");
  assertEquals(names(), ["dup", "dup", "dup"]);
});
