import { assertEquals } from "@std/assert";

const ROOT = new URL("../../ffi/", import.meta.url);

/** Runs a module in a Deno with these permissions; its output, or the last line of its error. */
async function run(code: string, permissions: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--no-lock", ...permissions, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = command.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { stdout, stderr, success } = await command.output();
  return new TextDecoder().decode(success ? stdout : stderr).trim();
}

const USE = `
import { openSys } from "${ROOT}sys.ts";
import { Mapping } from "${ROOT}mapping.ts";
import { sealedMemfd } from "${ROOT}memfd.ts";
import { Poller } from "${ROOT}poller.ts";
const sys = openSys();
using fd = sealedMemfd(sys, "m", 8192);
sys.pwrite(fd.number, new Uint8Array([7]), 0);
using mapping = Mapping.open({ sys, fd: fd.number, length: 8192, label: "m" });
await using poller = new Poller(sys);
const names = sys.readdir("/proc/self/fd").length > 0 && sys.readdir("/sys/class").length > 0;
sys.close(sys.open("/dev/null", 0));
console.log(new Uint8Array(mapping.live(0, 1))[0], names, sys.readText("/proc/self/comm").trim());`;

Deno.test("ffi asks for --allow-ffi and nothing else", async () => {
  assertEquals(await run(USE, ["--allow-ffi"]), "7 true deno");
});

Deno.test("importing ffi asks for nothing: the library is opened on first use", async () => {
  const files = ["sys", "mapping", "poller", "process_backing", "memfd", "libc", "constants"];
  const imports = files.map((name) => `import "${ROOT}${name}.ts";`).join("\n");
  assertEquals(await run(`${imports}\nconsole.log("imported");`, []), "imported");
  const refused = await run(USE, []);
  assertEquals(/NotCapable.*ffi/.test(refused), true, refused);
});
