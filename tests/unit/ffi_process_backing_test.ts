import { assertEquals } from "@std/assert";
import { POLLIN } from "../../ffi/constants.ts";
import { ProcessBacking } from "../../ffi/process_backing.ts";
import { fakeSys } from "../support/fake_sys.ts";

Deno.test("bytes read from whoever took over the pid of an ended process are not passed on", () => {
  let ended = false;
  const { sys, names } = fakeSys({
    script: {
      pageSize: 4096,
      pidfdOpen: () => 5,
      close: () => {},
      pollNow: () => [ended ? POLLIN : 0],
      processVmReadv: (_pid, _address, target) => target.fill(1).length,
    },
  });
  using backing = new ProcessBacking({ sys, pid: 7, address: 0n, length: 8, label: "ram" });
  assertEquals(backing.copy(0, new Uint8Array(8)), { length: 8, errno: null });
  ended = true;
  assertEquals(backing.copy(0, new Uint8Array(8)), { length: 0, errno: "ESRCH" });
  assertEquals(names().slice(-2), ["processVmReadv", "pollNow"], "asked after reading");
});

Deno.test("a refusal is named", () => {
  const { sys } = fakeSys({
    script: {
      pageSize: 4096,
      pidfdOpen: () => 5,
      close: () => {},
      pollNow: () => [0],
      processVmReadv: () => 0,
    },
    fail: [{ call: "processVmReadv", errno: "EPERM" }],
  });
  using backing = new ProcessBacking({ sys, pid: 7, address: 0n, length: 8, label: "ram" });
  assertEquals(backing.copy(0, new Uint8Array(8)), { length: 0, errno: "EPERM" });
});
