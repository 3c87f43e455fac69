/** A vhost-user disk of forty lines, written with `mod.ts`: real guests boot from it and read it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openTarget } from "../../mod.ts";
import { guestAddress } from "../../lib/address.ts";
import { linuxGuestMissing, liveTest, startLinuxGuest, testCache } from "../support/linux_guest.ts";
import { bootSector, qemuMissing, startBootSector } from "../support/qemu.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

/** The program, running. */
interface Program extends AsyncDisposable {
  readonly socket: string;
  readonly pid: number;
  /** What it logged so far. */
  log(): string;
  /** Open fds: sockets, and all others. */
  fds(): { sockets: number; others: number };
}

function openFds(pid: number): { sockets: number; others: number } {
  const names = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => name);
  const links = names.map((name) => Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
  const sockets = links.filter((link) => link.startsWith("socket:")).length;
  return { sockets, others: links.length - sockets };
}

/** Starts it and waits until it listens. */
async function startProgram(folder: string, image: string): Promise<Program> {
  const script = new URL("backend/vhost_user_blk.ts", import.meta.url).pathname;
  const socket = `${folder}/blk.sock`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "-A", script, socket, image],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  const decode = () => new WritableStream<string>({ write: (part) => void (text += part) });
  const ends = [child.stdout, child.stderr].map((stream) =>
    stream.pipeThrough(new TextDecoderStream()).pipeTo(decode())
  );
  let ended = false;
  const status = child.status.then(() => ended = true);
  const program: Program = {
    socket,
    pid: child.pid,
    log: () => text,
    fds: () => openFds(child.pid),
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill("SIGTERM");
      await status;
      await Promise.all(ends);
    },
  };
  try {
    await until(() => ended || text.includes("serving"), "the program listens", 20_000);
    assert(!ended, text);
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
  return program;
}

function vhostUserBlk(socket: string, more = ""): string[] {
  const device = `vhost-user-blk-pci,chardev=vu0,num-queues=1${more}`;
  return ["-chardev", `socket,id=vu0,path=${socket}`, "-device", device];
}

/** Where the boot sector puts sector 2, over and over. */
const LOADED = guestAddress(0x8000n);

liveTest(
  "QEMU boots from a back-end written with mod.ts, and two more after it",
  qemuMissing(),
  async () => {
    await inFolder(async (folder) => {
      const image = `${folder}/disk.img`;
      await Deno.writeFile(image, bootSector());
      await using program = await startProgram(folder, image);
      const before = program.fds();
      for (let session = 0; session < 3; session++) {
        const disk = vhostUserBlk(program.socket);
        await using guest = await startBootSector({ disk });
        await using attachment = await openTarget(`qemu:${guest.pid}`);
        const wanted = bootSector().subarray(512, 1024);
        const read = () => attachment.memory.bytes(LOADED, 512);
        await until(
          () => read().every((byte, i) => byte === wanted[i]),
          "sector 2 is there",
          20_000,
        );
        await guest.kill();
        await until(() => program.log().split(": closed").length > session + 1, "it left", 5000);
      }
      const after = program.fds();
      assertEquals(after.others, before.others, program.log());
      // Deno opens a pair of its own some time after its start; a leak would be one of each session.
      assert([0, 2].includes(after.sockets - before.sockets), JSON.stringify([before, after]));
    });
  },
);

const missing = await linuxGuestMissing();
for (const packed of [false, true]) {
  liveTest(
    `Linux reads and writes the disk of a back-end written with mod.ts, ${
      packed ? "packed" : "split"
    } ring`,
    missing,
    async () => {
      await inFolder(async (folder) => {
        const image = `${folder}/disk.img`;
        await Deno.copyFile(`${testCache()}/linux/out/disk.img`, image);
        const bytes = await Deno.readFile(image);
        await using program = await startProgram(folder, image);
        const extra = vhostUserBlk(program.socket, `,packed=${packed ? "on" : "off"}`);
        await using guest = await startLinuxGuest({ devices: [], traffic: [], extra });
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
        const { text } = await guest.run("sha256sum /dev/vda");
        assertStringIncludes(text, digest, `${text}\n${program.log()}`);
        const text2 = "written by the guest";
        const write = `printf '${text2}' | dd of=/dev/vda bs=512 seek=9 conv=fsync 2>&1`;
        const { status, text: said } = await guest.run(write);
        assertEquals(status, 0, said);
        const written = (await Deno.readFile(image)).subarray(9 * 512, 9 * 512 + text2.length);
        assertEquals(new TextDecoder().decode(written), text2);
      });
    },
  );
}
