/** The full-screen view of `watch` over a real QEMU that is kicked, exits, and comes back. */
import { assertEquals, assertMatch } from "@std/assert";
import { temporaryFolder } from "../support/cli.ts";
import { liveTest } from "../support/linux_guest.ts";
import { qemuMissing, startBootSector } from "../support/qemu.ts";
import { onTerminal, tmuxMissing } from "../support/screen.ts";

const missing = qemuMissing() ?? tmuxMissing();

liveTest("a QEMU on the screen: opened, kicked, gone, and back", missing, async () => {
  await using folder = await temporaryFolder();
  const socket = `${folder.path}/qmp.sock`;
  const monitor = ["-qmp", `unix:${socket},server=on,wait=off`];
  await using first = await startBootSector({ monitor });
  await using terminal = await onTerminal(["watch", `qemu:${socket}`, "--interval", "200ms"]);
  const list = await terminal.shows(/^> moving +virtio-blk0:0/m);
  assertMatch(list, /1 queue, 0 stuck/);

  await terminal.press("Enter");
  await terminal.shows(/IN sector 1, 512 bytes/);
  await terminal.press("K");
  await terminal.shows(/by ioeventfd: ioeventfd \d+ of QEMU \d+: write 1 \(kick\)\ny kicks/);
  await terminal.press("y");
  await terminal.shows(/used index \d+ before, \d+ after/);
  await terminal.press("x", "Escape");
  await terminal.shows(/VERDICT/);

  await first.kill();
  const gone = await terminal.shows(/^> gone +virtio-blk0:0/m);
  assertMatch(gone.split("\n")[1], /^gone: /);
  await terminal.press("K");
  await terminal.shows(/was not kicked[^]*the\s+guest\s+is gone/);
  await terminal.press("x");

  await using _second = await startBootSector({ monitor });
  const back = await terminal.shows(/^> moving +virtio-blk0:0/m);
  assertEquals(back.split("\n")[1], "");
  await terminal.press("Enter");
  await terminal.shows(/IN sector 1, 512 bytes/);
  await terminal.press("q", "q");
  assertEquals(await terminal.ended(), {
    code: 0,
    modes: "as before",
    alternate: false,
    cursor: true,
    wrap: true,
  });
});
