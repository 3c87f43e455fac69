/** Captures that tshark reads: a Linux guest's ping, and DPDK's generated flows through a tap. */
import { assert, assertEquals } from "@std/assert";
import { startTap } from "../../lib/tap/tap.ts";
import { guestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import { linuxGuestMissing, liveTest, onPath, startLinuxGuest } from "../support/linux_guest.ts";
import { startBackEnd, startFrontEnd, testpmdMissing } from "../support/testpmd.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

const noTshark = onPath("tshark") ? null : "no tshark: apt-get install tshark";

/** A field of every packet that a filter leaves. */
async function fields(file: string, filter: string, field: string): Promise<string[]> {
  const args = ["-r", file, "-Y", filter, "-T", "fields", "-e", field];
  const { stdout, stderr, success } = await new Deno.Command("tshark", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

/** What the CLI said of a capture: packets, and how many it did not see. */
function told(err: string): { packets: number; unseen: number } {
  const [, packets] = /: ([0-9]+) packets/.exec(err) ?? [];
  const [, unseen] = /([0-9]+) passed unseen/.exec(err) ?? [];
  return { packets: Number(packets ?? 0), unseen: Number(unseen ?? 0) };
}

for (const packed of [false, true]) {
  const name = `a Linux guest's ping, ${packed ? "packed" : "split"}: requests and their replies`;
  liveTest(name, noTshark ?? await linuxGuestMissing(), async () => {
    await using guest = await startLinuxGuest({ devices: ["net"], packed, tick: 0.1 });
    const file = `${guest.directory}/ping.pcapng`;
    const { code, err } = await guestmem([
      "watch",
      `qemu:${guest.pid}`,
      "--pcap",
      file,
      "--for",
      "10s",
    ]);
    assertEquals(code, 0, err);
    const requests = await fields(file, "icmp.type == 8", "icmp.seq");
    const replies = await fields(file, "icmp.type == 0", "icmp.seq");
    assert(requests.length >= 3, `${requests.length} requests`);
    assert(replies.length >= 3, `${replies.length} replies`);
    const [from] = await fields(file, "icmp.type == 8", "ip.src");
    assertEquals(from, "10.0.2.15");
    // ping -p 67 fills the payload with that byte.
    const [data] = await fields(file, "icmp.type == 8", "data.data");
    assert(data.endsWith("67676767"), data);
    assertEquals((await fields(file, "_ws.malformed", "frame.number")).length, 0);
    assertEquals((await fields(file, "frame", "frame.number")).length, told(err).packets);
    // A slow ring is followed by its count.
    assert(!err.includes("at least"), err);
  });
}

for (const packed of [false, true]) {
  liveTest(
    `DPDK's flows through a tap, ${packed ? "packed" : "split"}: what is lost is told`,
    noTshark ?? testpmdMissing(),
    () => inFolder((folder) => recordFlows(folder, packed)),
  );
}

/** What is kept is whole. A packed ring laps many times between two looks, which leaves no count. */
async function recordFlows(folder: string, packed: boolean): Promise<void> {
  const [listen, connect] = [`${folder}/tap.sock`, `${folder}/back.sock`];
  await using _backEnd = startBackEnd(connect, { forward: "rxonly" });
  await until(() => exists(connect), "the back-end's socket", 30_000);
  await using tap = startTap({ sys, listen, connect });
  const ring = `packed_vq=${packed ? 1 : 0}`;
  await using _frontEnd = startFrontEnd(listen, { forward: "flowgen", txFirst: false, ring });
  const file = `${folder}/flow.pcapng`;
  await until(() => tap.connections.length > 0, "a connection", 30_000);
  // The front-end sets its rings up a while after it has connected.
  const record = () => guestmem(["watch", `vhost:${listen}`, "--pcap", file, "--for", "3s"]);
  let run = await record();
  for (let tries = 0; tries < 40 && run.code !== 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    run = await record();
  }
  assertEquals(run.code, 0, run.err);
  const { packets, unseen } = told(run.err);
  assert(packets > 100, run.err);
  const lengths = new Set(await fields(file, "udp", "frame.len"));
  assert(lengths.size >= 1 && lengths.size <= 4, [...lengths].join());
  if (packed) {
    const marked = await fields(file, 'frame.comment == "lost, count unknown"', "frame.number");
    // Each look is a lap and more after the last: the first packet of it says so.
    assert(/at least [0-9]+ passed unseen/.test(run.err) && marked.length > 10, run.err);
  } else {
    assert(unseen > packets, `${packets} packets, ${unseen} unseen: ${run.err}`);
    assert((await fields(file, "frame.drop_count > 0", "frame.number")).length > 0);
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isSocket === true;
  } catch {
    return false;
  }
}
