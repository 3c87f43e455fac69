/** `watch` over the end and the return of a real QEMU, and of its memory while it runs. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { guestmem, startGuestmem, temporaryFolder } from "../support/cli.ts";
import { liveTest } from "../support/linux_guest.ts";
import { monitor, qemuMissing, startBootSector } from "../support/qemu.ts";

liveTest(
  "a QEMU that comes back at the same monitor socket is attached again",
  qemuMissing(),
  async () => {
    await using folder = await temporaryFolder();
    const socket = `${folder.path}/qmp.sock`;
    const monitor = ["-qmp", `unix:${socket},server=on,wait=off`];
    const first = await startBootSector({ monitor });
    const watch = startGuestmem([
      ...["watch", `qemu:${socket}`, "--interval", "1s", "--json", "--keep-going"],
    ]);
    try {
      await watch.line(/"up":true/);
      await first.kill();
      const gone = JSON.parse(await watch.line(/"up":false/));
      assertEquals([gone.verdict, gone.usedRate, gone.samples], [null, null, 0]);
      await using _second = await startBootSector({ monitor });
      const until = ["--until", "moving", "--for", "30s", "--plain"];
      assertEquals((await guestmem(["watch", `qemu:${socket}`, ...until])).code, 0);
      const back = JSON.parse(await watch.line(/"up":true/, /"up":false/));
      assertEquals([back.guest.up, back.device], [true, gone.device]);
    } finally {
      await first[Symbol.asyncDispose]();
      assertEquals((await watch.end("SIGINT")).code, 130);
    }
  },
);

liveTest("a QEMU that is stopped is said to be, and its queue stuck", qemuMissing(), async () => {
  await using guest = await startBootSector();
  const target = `qemu:${guest.pid}/virtio-blk0:0`;
  const until = ["--until", "device-not-consuming", "--for", "60s", "--json"];
  const watch = startGuestmem(["watch", target, "--interval", "200ms", ...until]);
  await watch.line(/"verdict":"moving"/);
  // At a moment when nothing is in flight it would be idle: stopped again until something is.
  let ended = false;
  const end = watch.end().finally(() => ended = true);
  while (!ended) {
    Deno.kill(guest.pid, "SIGSTOP");
    for (let n = 0; n < 15 && !ended; n++) await new Promise((done) => setTimeout(done, 200));
    Deno.kill(guest.pid, "SIGCONT");
    await new Promise((done) => setTimeout(done, 20));
  }
  const { code, out, err } = await end;
  assertEquals(code, 0, err);
  const last = JSON.parse(out.trimEnd().split("\n").at(-1) ?? "");
  assertStringIncludes(last.guest.note, "is stopped by a signal");
  assertStringIncludes(last.evidence.join(), "is stopped by a signal");
});

liveTest(
  "a virtual machine that is paused is said to be, until it goes on",
  qemuMissing(),
  async () => {
    await using guest = await startBootSector();
    const watch = startGuestmem(["watch", `qemu:${guest.pid}`, "--interval", "200ms", "--json"]);
    try {
      assertEquals(JSON.parse(await watch.line(/"verdict":"moving"/)).guest, {
        up: true,
        note: "",
      });
      await monitor(guest.qmp, "stop");
      const { guest: state } = JSON.parse(await watch.line(/"note":"the virtual/));
      assertEquals(state.note, "the virtual machine is paused (QMP `cont` lets it go on)");
      await monitor(guest.qmp, "cont");
      await watch.line(/"verdict":"moving".*"note":""/, /"note":"the virtual/);
    } finally {
      await watch.end("SIGINT");
    }
  },
);

liveTest("memory of a running QEMU that changes is shown", qemuMissing(), async () => {
  await using guest = await startBootSector();
  // The BIOS counts its ticks at 0x46c, 18.2 a second (BIOS data area).
  const words = ["watch", "mem", `qemu:${guest.pid}`, "0x46c", "4", "--interval", "200ms"];
  const { code, out, err } = await guestmem([...words, "--count", "2"]);
  assertEquals(code, 0, err);
  assert(/^\+ 00000460 {39}([0-9a-f]{2} ){3}00 /m.test(out), out);
});
