/**
 * Completion in the real shells, of what is really there: a demo guest, and a session that holds it.
 */
import { assertEquals } from "@std/assert";
import { commandLine, guestmem, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { liveTest, onPath } from "../support/linux_guest.ts";
import { openTerminal } from "../support/terminal.ts";

/** A guest, a session that holds it as m1@s, and shells that find `guestmem` on their PATH. */
interface Desk {
  /** `proc:4242` */
  readonly target: string;
  readonly folder: string;
  readonly env: Record<string, string>;
}

async function atDesk(run: (desk: Desk) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  const words = commandLine([]).map((word) => `'${word}'`).join(" ");
  // The shells run elsewhere than where the program's relative paths lead.
  const program = `#!/bin/sh\ncd '${Deno.cwd()}' && exec ${words} "$@"\n`;
  await Deno.mkdir(`${folder.path}/bin`);
  await Deno.writeTextFile(`${folder.path}/bin/guestmem`, program, { mode: 0o755 });
  const env = {
    PATH: `${folder.path}/bin:${Deno.env.get("PATH")}`,
    XDG_RUNTIME_DIR: folder.path,
    HOME: folder.path,
    LC_ALL: "C.UTF-8",
  };
  const demo = startGuestmem(["demo", "--for", "120s"]);
  const session = startGuestmem(["session", "start", "s"], { env });
  try {
    const target = (await demo.line(/^demo guest/)).match(/proc:\d+/)![0];
    await session.line(/^session s/);
    assertEquals((await guestmem(["map", target, "--session", "s"], { env })).code, 0);
    await run({ target, folder: folder.path, env });
  } finally {
    await session.end("SIGTERM");
    await demo.end("SIGINT");
  }
}

async function scriptOf(shell: string, { folder }: Desk): Promise<string> {
  const { out } = await guestmem(["completion", shell]);
  const path = `${folder}/_guestmem`;
  await Deno.writeTextFile(path, out);
  return path;
}

function missing(shell: string): string | null {
  return onPath(shell) ? null : `no ${shell}: apt-get install ${shell}`;
}

liveTest(
  "fish: verbs, options, values, files, guests, devices, queues",
  missing("fish"),
  () =>
    atDesk(async (desk) => {
      const script = await scriptOf("fish", desk);
      const complete = async (line: string) => {
        const code = `source ${script}; complete -C '${line}'`;
        const command = new Deno.Command("fish", {
          args: ["--no-config", "-c", code],
          env: desk.env,
        });
        const { stdout } = await command.output();
        return new TextDecoder().decode(stdout).trimEnd().split("\n");
      };
      const words = async (line: string) => (await complete(line)).map((one) => one.split("\t")[0]);
      const { target } = desk;
      assertEquals(await complete("guestmem dump r"), [
        "ring\trings: indices, flags, suppression, chains, decoded requests",
      ]);
      assertEquals(await complete("guestmem watch me"), [
        "mem\twhat changes in a range of guest memory",
      ]);
      assertEquals(await words("guestmem watch mem --co"), ["--count"]);
      assertEquals(await words("guestmem dump mem --fo"), ["--format"]);
      assertEquals(await words("guestmem dump mem --format "), [
        "hex",
        "json",
        "plain",
        "raw",
        "strings",
        "words",
      ]);
      assertEquals(await words("guestmem dump ring --layout /etc/hostn"), ["/etc/hostname"]);
      assertEquals(await words("guestmem dump ring --layout=/etc/hostn"), [
        "--layout=/etc/hostname",
      ]);
      assertEquals(await words("guestmem dump ring file:/etc/hostn"), ["file:/etc/hostname"]);
      assertEquals((await words(`guestmem dump ring ${target}`)).slice(0, 2), [
        target,
        `${target}/blk0`,
      ]);
      assertEquals(await words(`guestmem kick ${target}/blk0:`), [`${target}/blk0:0`]);
      assertEquals(await words("guestmem unmap "), ["m1@s"]);
      assertEquals(await words("guestmem session stop "), ["s"]);
      assertEquals(await words("guestmem dump ring m1@s/blk0"), ["m1@s/blk0", "m1@s/blk0:0"]);
    }),
);

liveTest(
  "bash: the same on a terminal, where : and @ end words",
  missing("bash"),
  () =>
    atDesk(async (desk) => {
      const script = await scriptOf("bash", desk);
      await using typist = openTerminal(["bash", "--norc", "--noprofile"], {
        ...desk.env,
        PS1: "$ ",
      });
      await typist.type(`bind 'set bell-style none'; source ${script}; echo rea'dy'\r`, /ready\r/);
      await completed(typist.type, desk);
    }),
);

liveTest(
  "zsh: the same, by its own completion system",
  missing("zsh"),
  () =>
    atDesk(async (desk) => {
      const script = await scriptOf("zsh", desk);
      await using typist = openTerminal(["zsh", "-f"], desk.env);
      // An EDITOR or VISUAL with "vi" in it would choose vi's keys, in which ^A is a letter.
      const begin =
        `PS1='$ '; bindkey -e; unsetopt beep; autoload -U compinit; compinit -D -u; source ${script}`;
      await typist.type(`${begin}; echo rea'dy'\r`, /ready\r/);
      await completed(typist.type, desk);
    }),
);

/** Types beginnings of lines, completes them, and has the words printed instead of run. */
async function completed(
  type: (keys: string, shows: RegExp) => Promise<string>,
  { target }: Desk,
): Promise<void> {
  const cases: [string, string, string][] = [
    ["guestmem diag", "nose", "guestmem diagnose "],
    ["guestmem dump mem --format=w", "ords", "guestmem dump mem --format=words"],
    [`guestmem kick ${target}/b`, "lk", `guestmem kick ${target}/blk`],
    [`guestmem kick ${target}/blk0:`, "0", `guestmem kick ${target}/blk0:0`],
    ["guestmem unmap m", "1@s", "guestmem unmap m1@s"],
    ["guestmem dump ring m1@", "s", "guestmem dump ring m1@s"],
    ["guestmem dump ring m1@s/blk0:", "0", "guestmem dump ring m1@s/blk0:0"],
    ["guestmem dump ring --layout /etc/hostn", "ame", "guestmem dump ring --layout /etc/hostname"],
    ["guestmem dump ring file:/etc/hostn", "ame", "guestmem dump ring file:/etc/hostname"],
  ];
  for (const [line, added, whole] of cases) {
    await type(line, new RegExp(`${escaped(line.slice(-4))}$`));
    await type("\t", new RegExp(`${escaped(added.trimEnd())}`));
    const printed = whole.trim().split(" ").join("|");
    await type(`\x01printf '%s|' \r`, new RegExp(escaped(printed)));
  }
}

function escaped(text: string): string {
  return text.replace(/[|\\{}()[\]^$+*?.]/g, "\\$&");
}
