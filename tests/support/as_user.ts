/**
 * Another user, for real: a Deno of its own that gives up root before it does what is to be seen.
 *
 * @module
 */

/** The id of a user that owns nothing: Debian's `nobody`. */
export const NOBODY = 65534;

/** Why nobody else can be played here, or null. */
export function otherUserMissing(): string | null {
  return Deno.uid() === 0 ? null : "only root can become another user";
}

/** Calls that give up all of root: groups first, and then no way back. */
const DROP = `
  const libc = Deno.dlopen("libc.so.6", {
    setgroups: { parameters: ["usize", "pointer"], result: "i32" },
    setresgid: { parameters: ["u32", "u32", "u32"], result: "i32" },
    setresuid: { parameters: ["u32", "u32", "u32"], result: "i32" },
  }).symbols;
  const drop = (id) => {
    const results = [libc.setgroups(0n, null), libc.setresgid(id, id, id), libc.setresuid(id, id, id)];
    if (results.some((result) => result !== 0)) throw new Error(results.join());
  };`;

/** `program` as `uid`, after its imports; it prints one line at least. Dispose ends it. */
export async function asUser(
  uid: number,
  imports: string,
  program: string,
): Promise<{ readonly pid: number; line(): Promise<string> } & AsyncDisposable> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const code = `${imports}\n${DROP}\ndrop(${uid});\n${program}`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", `--config=${config}`, "--no-lock", code],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  await Promise.resolve();
  return {
    pid: child.pid,
    async line() {
      while (!text.includes("\n")) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`it ended without a line: ${text}`);
        text += value;
      }
      const end = text.indexOf("\n");
      const first = text.slice(0, end);
      text = text.slice(end + 1);
      return first;
    },
    async [Symbol.asyncDispose]() {
      await child.stdin.close().catch(() => {});
      await child.status;
      await reader.cancel();
    },
  };
}
