/**
 * Running programs in dom0, and guests' consoles.
 *
 * @module
 */
import { openSys } from "../../../../ffi/sys.ts";

/** The real system calls, opened with their scratch memory before any test counts resources. */
export const sys = openSys();
sys.copyOut(1n, new Uint8Array(1));

/** The folder of this file. */
export const HERE = new URL(".", import.meta.url).pathname;

/** Runs a program; gives its output. Throws where it fails. */
export async function run(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(words[0], { args: words.slice(1) })
    .output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (code !== 0) throw new Error(`${words.join(" ")}: exit ${code}: ${text}`);
  return text;
}

/** Waits until a guest's console, logged at `path`, has a line; gives all of the console. */
export async function awaitConsole(path: string, line: RegExp, seconds = 120): Promise<string> {
  let text = "";
  for (let tries = 0; tries < seconds * 5; tries++) {
    text = await Deno.readTextFile(path).catch(() => "");
    if (line.test(text)) return text.replaceAll("\r", "");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${path} never had ${line}: ${text.slice(-500)}`);
}

/** Text up to its NUL. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
