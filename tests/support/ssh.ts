/**
 * A real login over ssh to this very machine. The server runs for one connection only, as the
 * client's proxy command: no port is opened, and nothing of it stays.
 *
 * @module
 */
import { commandLine, ROOT } from "./cli.ts";
import { onPath } from "./linux_guest.ts";

const SERVER = "/usr/sbin/sshd";

/** A user who can log in here. Disposing removes the keys. */
export interface Login extends AsyncDisposable {
  /** The command that logs in, with a terminal, and runs `line` there. */
  on(line: string): string[];
}

/** Makes keys that only the server of this login takes. */
export async function login(): Promise<Login> {
  const folder = await Deno.makeTempDir({ prefix: "guestmem-ssh-" });
  const key = async (name: string) => {
    await said("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`);
    return `${folder}/${name}`;
  };
  const [host, user] = [await key("host"), await key("user")];
  await Deno.writeTextFile(
    `${folder}/config`,
    [`HostKey ${host}`, `AuthorizedKeysFile ${user}.pub`, "StrictModes no", "UsePAM no"].join("\n"),
  );
  const options = [
    `ProxyCommand=${SERVER} -i -f ${folder}/config`,
    `IdentityFile=${user}`,
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=no",
    `UserKnownHostsFile=${folder}/known`,
    "LogLevel=ERROR",
  ];
  return {
    on: (line) => ["ssh", "-tt", "-F", "none", ...options.flatMap((o) => ["-o", o]), "here", line],
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Why nobody can log in here, or null. */
export async function loginMissing(): Promise<string | null> {
  const installed = onPath("ssh") && await Deno.stat(SERVER).then(() => true, () => false);
  if (!installed) return "no ssh or sshd: apt-get install openssh-client openssh-server";
  // The server's package makes this one where it is started by the system.
  if (Deno.uid() === 0) await Deno.mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  await using here = await login();
  const [program, ...args] = here.on("true");
  return await said(program, ...args).then(() => null, ({ message }: Error) => message);
}

/** What runs a command line of guestmem there: a login has an environment of its own. */
export async function lineThere(words: readonly string[]): Promise<string> {
  const { denoDir } = JSON.parse(await said(Deno.execPath(), "info", "--json"));
  const command = ["env", `DENO_DIR=${denoDir}`, ...commandLine(words)];
  return `cd "${ROOT.pathname}" && exec ${command.map((word) => `"${word}"`).join(" ")}`;
}

async function said(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}
