import { assertEquals } from "@std/assert";
import { importFfi, runAlone } from "../support/host.ts";

const USE = [
  importFfi("openSys", "sys.ts"),
  importFfi("Mapping", "mapping.ts"),
  importFfi("sealedMemfd", "memfd.ts"),
  importFfi("Poller", "poller.ts"),
  `
const sys = openSys();
using fd = sealedMemfd(sys, "m", 8192);
sys.pwrite(fd.number, new Uint8Array([7]), 0);
using mapping = Mapping.open({ sys, fd: fd.number, length: 8192, label: "m" });
await using poller = new Poller(sys);
const names = sys.readdir("/proc/self/fd").length > 0 && sys.readdir("/sys/class").length > 0;
sys.close(sys.open("/dev/null", 0));
console.log(new Uint8Array(mapping.live(0, 1))[0], names, sys.readText("/proc/self/comm").trim());`,
].join("");

Deno.test("ffi asks for --allow-ffi and nothing else", async () => {
  assertEquals(await runAlone(USE, ["--allow-ffi"]), "7 true deno");
});

Deno.test("importing ffi asks for nothing: the library is opened on first use", async () => {
  const files = ["sys", "mapping", "poller", "process_backing", "memfd", "libc", "constants"];
  const imports = files.map((name) => importFfi("", `${name}.ts`)).join("");
  assertEquals(await runAlone(`${imports}console.log("imported");`, []), "imported");
  const refused = await runAlone(USE, []);
  assertEquals(/NotCapable.*ffi/.test(refused), true, refused);
});
