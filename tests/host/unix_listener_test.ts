import { assertEquals } from "@std/assert";
import { unixPath } from "../../lib/source/unix_listener.ts";
import { temporaryFolder } from "../support/cli.ts";
import { startChild, sys, uniqueName } from "../support/host.ts";

/** A process that listens on a relative path in `folder`, and then works in `later`. */
function startListener(folder: string, name: string, later = folder) {
  const code = `Deno.chdir("${folder}");
    globalThis.kept = Deno.listen({ transport: "unix", path: "./${name}" });
    Deno.chdir("${later}"); console.log("ready");`;
  return startChild(code);
}

const listeners = (path: string) => unixPath(sys, path).listening.length;

Deno.test("a listener's relative path is its own folder's, and no other's", async () => {
  await using here = await temporaryFolder();
  await using there = await temporaryFolder();
  const name = uniqueName();
  await using _child = await startListener(here.path, name);
  assertEquals(listeners(`${here.path}/${name}`), 1);
  assertEquals(listeners(`${there.path}/${name}`), 0, "nothing is there");
  await using dead = await startListener(there.path, name);
  Deno.kill(dead.pid, "SIGKILL");
  await dead.end();
  assertEquals(Deno.lstatSync(`${there.path}/${name}`).isSocket, true);
  assertEquals(listeners(`${there.path}/${name}`), 0, "a dead one is there");
});

Deno.test("one that works elsewhere by now may listen wherever a socket has its name", async () => {
  await using here = await temporaryFolder();
  const name = uniqueName();
  await using _child = await startListener(here.path, name, "/");
  assertEquals(listeners(`${here.path}/${name}`), 1);
});
