/**
 * `deno task install`: puts a `guestmem` on the PATH that runs this copy of the sources.
 *
 * `deno install --global` would write a script that wants `deno` on the PATH, into a folder that need
 * not be there; with nothing but `npx -y deno` neither is.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { writeManPages } from "./manual/write.ts";
import { printError } from "./output.ts";

/** The version that npx fetches where the one that installed is gone and none is on the PATH. */
const DENO = Deno.version.deno;

/** Folders to install into, best first; those on the PATH are preferred. */
function folders(): string[] {
  const home = Deno.env.get("HOME") ?? "";
  const root = Deno.env.get("DENO_INSTALL_ROOT");
  const own = home === "" ? [] : [`${home}/.deno/bin`, `${home}/.local/bin`];
  return [...root === undefined ? [] : [`${root}/bin`], ...own, "/usr/local/bin"];
}

/** Whether a file can be put there; makes the folder where its parents allow it. */
function writable(folder: string): boolean {
  try {
    Deno.mkdirSync(folder, { recursive: true });
    Deno.removeSync(Deno.makeTempFileSync({ dir: folder, prefix: ".guestmem-" }));
    return true;
  } catch (error) {
    const refused = [Deno.errors.PermissionDenied, Deno.errors.NotADirectory, Deno.errors.NotFound];
    if (refused.some((kind) => error instanceof kind)) return false;
    throw error;
  }
}

/** A word of the shell's, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function script(): string {
  const file = (name: string) => quoted(new URL(name, import.meta.url).pathname);
  // The same permissions as the task: what stands between `deno` and the main file.
  const run = config.tasks.guestmem.replace(/^deno /, "").replace(/ cli\/main\.ts$/, "");
  const words = run.split(" ").map(quoted).join(" ");
  const rest = `${words} --config ${file("../deno.json")} ${file("main.ts")} "$@"`;
  return `#!/bin/sh
# Written by guestmem's install task.
deno=${quoted(Deno.execPath())}
[ -x "$deno" ] || deno=$(command -v deno) || exec npx -y deno@${DENO} ${rest}
exec "$deno" ${rest}
`;
}

if (import.meta.main) {
  const onPath = (Deno.env.get("PATH") ?? "").split(":");
  const wanted = [...folders().filter((name) => onPath.includes(name)), ...folders()];
  const folder = wanted.find(writable);
  if (folder === undefined) {
    printError(`guestmem: none of ${folders().join(", ")} can be written to`);
    Deno.exit(1);
  }
  const path = `${folder}/guestmem`;
  Deno.writeTextFileSync(path, script(), { mode: 0o755 });
  Deno.chmodSync(path, 0o755);
  printError(`guestmem: installed as ${path}`);
  // Where man looks for what is in a folder of the PATH: manpath(5).
  const pages = `${folder.replace(/\/[^/]*$/, "")}/share/man`;
  if (writable(pages)) printError(`guestmem: man pages in ${await writeManPages(pages)}`);
  if (!onPath.includes(folder)) {
    printError(`remedy: export PATH="${folder}:$PATH", here and in your shell's profile`);
  }
}
