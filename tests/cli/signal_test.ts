/** What a command leaves behind where a signal comes twice, as it does to what `deno task` runs. */
import { assertEquals } from "@std/assert";
import { startGuestmem, temporaryFolder } from "../support/cli.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Commands that make a socket in a folder, and what they say once it is there. */
const COMMANDS: Readonly<Record<string, (folder: string) => [string[], RegExp]>> = {
  "ivshmem-server": (folder) => [["ivshmem-server", `${folder}/it`, "--size", "4K"], /it/],
  "tap": (folder) => [["tap", `${folder}/it`, `${folder}/back`], /^tapping /],
  "session start": () => [["session", "start", "it"], /it/],
};

for (const [name, start] of Object.entries(COMMANDS)) {
  for (const signals of [["SIGINT", "SIGINT"], ["SIGINT", "SIGTERM"], ["SIGQUIT"]] as const) {
    Deno.test(`${name}: ${signals.join(" and ")} leave no socket`, async () => {
      await using folder = await temporaryFolder();
      const [words, ready] = start(folder.path);
      const running = startGuestmem(words, { env: { XDG_RUNTIME_DIR: folder.path } });
      await running.line(ready);
      for (const signal of signals) {
        running.process.kill(signal);
        await pause(3);
      }
      assertEquals((await running.end()).code, 130);
      assertEquals(await sockets(folder.path), []);
    });
  }
}

async function sockets(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const below = entries.filter((entry) => entry.isDirectory)
    .map((entry) => sockets(`${folder}/${entry.name}`));
  const here = entries.filter((entry) => Deno.lstatSync(`${folder}/${entry.name}`).isSocket);
  return [...here.map(({ name }) => `${folder}/${name}`), ...(await Promise.all(below)).flat()];
}
