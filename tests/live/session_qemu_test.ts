/** A real QEMU held by a session: what is shared is mapped by who looks, what is not is read for them. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { guestmem, type Run, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { liveTest } from "../support/linux_guest.ts";
import { type BootSectorGuest, qemuMissing, startBootSector } from "../support/qemu.ts";

type Memory = "memfd" | "plain";
type Command = (...args: string[]) => Promise<Run>;

/** A QEMU as m1@s, and a way to run commands on it. */
async function held(
  memory: Memory,
  test: (guest: BootSectorGuest, run: Command, env: Record<string, string>) => Promise<void>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const env = { XDG_RUNTIME_DIR: folder.path };
  await using guest = await startBootSector({ memory });
  const session = startGuestmem(["session", "start", "s"], { env });
  try {
    await session.line(/^session s/);
    const run: Command = async (...args) => {
      const result = await guestmem(args, { env });
      assertEquals([result.code], [0], `${args.join(" ")}: ${result.err}`);
      return result;
    };
    const mapped = await run("map", `qemu:${guest.pid}`, "--session", "s");
    assertEquals(mapped.out, "m1@s\n");
    await test(guest, run, env);
  } finally {
    const { code } = await session.end("SIGINT");
    assertEquals(code, 130);
  }
}

for (const memory of ["memfd", "plain"] as const) {
  liveTest(
    `map, dump, search, kick and watch m1@s, memory ${memory}`,
    qemuMissing(),
    () =>
      held(memory, async (guest, run) => {
        const table = JSON.parse((await run("map", "m1@s", "--json")).out);
        const direct = JSON.parse((await run("map", `qemu:${guest.pid}`, "--json")).out);
        assertEquals(table.regions, direct.regions);
        const bytes = await run("dump", "mem", "m1@s", "0x7c00", "32");
        assertMatch(bytes.out, /^00007c00 {2}31 c0 8e d8 8e c0 8e d0/);
        const found = await run(
          "dump",
          "search",
          "m1@s",
          "--text",
          "guestmem boot sector",
          "--limit",
          "1",
        );
        assertEquals(found.out, "0x8000\n");

        const ring = JSON.parse((await run("dump", "ring", "m1@s", "--json", "--recent", "4")).out);
        assertEquals([ring.size, ring.findings, ring.chains.at(-1).request.type], [256, [], "IN"]);
        assertMatch(ring.target, /^m1@s\/.+:0$/);
        const [, row] =
          (await run("watch", "m1@s", "--count", "2", "--interval", "300ms", "--json"))
            .out.trimEnd().split("\n");
        assert(JSON.parse(row).usedRate > 10, row);

        const ways = JSON.parse((await run("kick", ring.target, "--list", "--json")).out).ways;
        const possible = ways.filter((way: { possible: boolean }) => way.possible)
          .map(({ name }: { name: string }) => name);
        assert(possible.includes("ioeventfd") && possible.includes("monitor"), possible.join());
        const kick = JSON.parse((await run("kick", ring.target, "--json")).out);
        assertEquals([kick.sent, kick.way], [true, "ioeventfd"]);
        const stopped = await run("kick", ring.target, "--via", "monitor");
        assertStringIncludes(stopped.out, "is running");
        await run("diagnose", "m1@s", "--for", "100ms", "--check");
      }),
  );
}

liveTest(
  "a guest that has died: shared memory is still there",
  qemuMissing(),
  () =>
    held("memfd", async (guest, run, env) => {
      const watch = startGuestmem(["watch", "m1@s", "--interval", "100ms", "--plain"], { env });
      await watch.line(/split 256/);
      await guest.kill();
      const { code, err } = await watch.end();
      assertEquals(code, 4, err);
      // What was read again a moment ago is not asked for once more.
      await new Promise((done) => setTimeout(done, 2000));
      const bytes = await run("dump", "mem", "m1@s", "0x8000", "16", "--verbose");
      assertMatch(bytes.out, /\|guestmem boot se\|/);
      assertStringIncludes(bytes.err, "is shown as it was before");
      const ring = await run("dump", "ring", "m1@s", "--json");
      assertEquals(JSON.parse(ring.out).size, 256);
    }),
);

liveTest(
  "a guest that has died: what was its own is unreadable",
  qemuMissing(),
  () =>
    held("plain", async (guest, run) => {
      await guest.kill();
      const { code, out } = await run("dump", "mem", "m1@s", "0x8000", "16");
      assertEquals([code, out], [0, "[0x8000, 0x8010) unreadable: 16, ESRCH\n"]);
    }),
);

liveTest(
  "a guest whose process is stopped is diagnosed so",
  qemuMissing(),
  () =>
    held("memfd", async (guest, run) => {
      Deno.kill(guest.pid, "SIGSTOP");
      const { out } = await run("diagnose", "m1@s", "--for", "100ms", "--json");
      assertStringIncludes(JSON.parse(out).halted, `process ${guest.pid} is stopped by a signal`);
    }),
);
