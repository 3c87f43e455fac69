/** DPDK's testpmd on both sides of a tap: rings of every kind, and each of the three killed. */
import { assert, assertEquals } from "@std/assert";
import { parseTarget } from "../../lib/guest/target.ts";
import { openRing } from "../../lib/ring/ring.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { vhostSource } from "../../lib/source/vhost.ts";
import { startTap, type Tap } from "../../lib/tap/tap.ts";
import { isReady } from "../../lib/tap/tap_events.ts";
import { startGuestmem } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import { liveTest } from "../support/linux_guest.ts";
import { startBackEnd, startFrontEnd, type Testpmd, testpmdMissing } from "../support/testpmd.ts";
import { inFolder, until } from "../support/vhost_tapped.ts";

const missing = testpmdMissing();

/** testpmd is slow to start where both CPUs are busy. */
const PATIENCE = 30_000;

function attach(socket: string): Promise<Attachment> {
  const options = {
    sys,
    write: false,
    layout: null,
    signal: null,
    add: [],
    replace: false,
    log: () => {},
  };
  return vhostSource.attach(parseTarget(`vhost:${socket}`, () => false), options);
}

async function listening(path: string): Promise<void> {
  await until(
    () => {
      try {
        return sys.stat(path).mode > 0;
      } catch {
        return false;
      }
    },
    path,
    PATIENCE,
  );
}

/** Attaches once both rings of the newest connection can be read. */
async function ready(socket: string, queues: number): Promise<Attachment> {
  const end = performance.now() + PATIENCE;
  while (true) {
    try {
      const attachment = await attach(socket);
      const rings = attachment.devices.flatMap((device) => device.queues);
      if (rings.filter(({ ring }) => ring !== null).length >= queues) return attachment;
      await attachment[Symbol.asyncDispose]();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** How far every ring's used side moved, or for packed rings whether its descriptors changed. */
async function movements(attachment: Attachment): Promise<boolean[]> {
  const rings = attachment.devices[0].queues.flatMap(({ ring }) => ring === null ? [] : [ring]);
  const look = () =>
    rings.map((config) => {
      const { used, available } = openRing(attachment.memory, config).indices() ?? {};
      return JSON.stringify([used?.index, used?.wrap, available?.index, available?.wrap]);
    });
  const first = look();
  const moved = rings.map(() => false);
  for (let tries = 0; tries < 200 && moved.includes(false); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    look().forEach((text, i) => moved[i] ||= text !== first[i]);
  }
  return moved;
}

interface Variant {
  readonly name: string;
  readonly ring: string;
  readonly queues: number;
  readonly format: "split" | "packed";
}

const VARIANTS: readonly Variant[] = [
  { name: "split", ring: "packed_vq=0,mrg_rxbuf=0,in_order=0", queues: 1, format: "split" },
  { name: "packed", ring: "packed_vq=1,mrg_rxbuf=0,in_order=0", queues: 1, format: "packed" },
  {
    name: "split, mergeable, in order, two queue pairs",
    ring: "packed_vq=0,mrg_rxbuf=1,in_order=1",
    queues: 2,
    format: "split",
  },
  {
    name: "packed, mergeable, in order, 1024 entries",
    ring: "packed_vq=1,mrg_rxbuf=1,in_order=1,queue_size=1024",
    queues: 1,
    format: "packed",
  },
];

for (const { name, ring, queues, format } of VARIANTS) {
  liveTest(`DPDK through a tap: ${name}`, missing, async () => {
    await inFolder(async (folder) => {
      const [listen, connect] = [`${folder}/tap.sock`, `${folder}/back.sock`];
      await using backEnd = startBackEnd(connect, { queues });
      await listening(connect);
      await using tap = startTap({ sys, listen, connect });
      await using frontEnd = startFrontEnd(listen, { queues, ring });
      await using attachment = await ready(listen, 2 * queues);
      const [device] = attachment.devices;
      assertEquals([device.name, device.type, device.queues.length], ["net0", 1, 2 * queues]);
      assertEquals(
        device.queues.map((queue) => queue.ring?.format),
        device.queues.map(() => format),
      );
      assert(ring.includes("1024") === (device.queues[0].ring?.size === 1024));
      assertEquals(await movements(attachment), device.queues.map(() => true));
      for (const queue of device.queues) {
        assert(queue.ring !== null && queue.notifier?.kickFd, `${queue.name} is not complete`);
        const snapshot = openRing(attachment.memory, queue.ring as NonNullable<typeof queue.ring>)
          .snapshot();
        const outside = snapshot.findings.filter(({ code }) => code.includes("outside"));
        assertEquals(outside, [], `${queue.name}: ${snapshot.findings[0]?.text}`);
      }
      const [region] = attachment.memory.table.regions;
      // virtio-user's guest addresses are its own.
      assertEquals(region.user as bigint, region.guest as bigint);
      await frontEnd.stop();
      await backEnd.stop();
      await until(() => tap.connections.length === 0, "the end of the connection");
    });
  });
}

/** CPU seconds of a process so far: utime and stime of proc_pid_stat(5), in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = sys.readText(`/proc/${pid}/stat`).split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// How fast both are with a tap and without is measured in tests/bench/tap_bench.ts.
liveTest(
  "packets do not go through the tap: it takes no CPU while they pass",
  missing,
  async () => {
    await inFolder(async (folder) => {
      const [connect, listen] = [`${folder}/back.sock`, `${folder}/tap.sock`];
      await using backEnd = startBackEnd(connect, { forward: "rxonly" });
      await listening(connect);
      const tap = startGuestmem(["tap", listen, connect]);
      try {
        await tap.line(/^tapping/);
        await using _frontEnd = startFrontEnd(listen, { forward: "txonly", txFirst: false });
        const periods = () => backEnd.rates().filter((rate) => rate > 1000);
        await until(() => periods().length >= 2, "packets", PATIENCE);
        const [start, before] = [performance.now(), cpuSeconds(tap.process.pid)];
        await until(() => periods().length >= 5, "more packets", PATIENCE);
        const seconds = (performance.now() - start) / 1000;
        const share = (cpuSeconds(tap.process.pid) - before) / seconds;
        assert(share < 0.05, `${share} of a CPU while ${periods().at(-1)} packets a second passed`);
      } finally {
        await tap.end("SIGINT");
      }
    });
  },
);

/** The rings that a kill happens to: two queue pairs of the shape that takes more to restore. */
const KILLED: readonly Variant[] = [
  VARIANTS[0],
  {
    name: "packed, in order",
    ring: "packed_vq=1,mrg_rxbuf=1,in_order=1",
    queues: 1,
    format: "packed",
  },
  VARIANTS[2],
];

/** Waits for a connection after `last` whose rings can be read. */
async function nextReady(tap: Tap, last: number): Promise<number> {
  const found = () =>
    tap.connections.find((relay) => relay.connection > last && isReady(relay.state));
  await until(() => found() !== undefined, `rings of a connection after ${last}`, PATIENCE);
  return found()?.connection as number;
}

/** Attaches anew and sees what a killed and restarted peer left: rings of the right kind, moving. */
async function works(socket: string, { queues, format }: Variant): Promise<void> {
  await using attachment = await ready(socket, 2 * queues);
  const rings = attachment.devices[0].queues.map(({ ring }) => ring?.format);
  assertEquals(rings, Array.from({ length: 2 * queues }, () => format));
  assert((await movements(attachment)).includes(true), "no ring moves");
}

for (const variant of KILLED) {
  const { name, ring, queues } = variant;
  liveTest(
    `kill -9 of DPDK's front-end (${name}): the next one gets a connection of its own`,
    missing,
    async () => {
      await inFolder(async (folder) => {
        const [listen, connect] = [`${folder}/tap.sock`, `${folder}/back.sock`];
        await using _backEnd = startBackEnd(connect, { queues });
        await listening(connect);
        await using tap = startTap({ sys, listen, connect });
        let last = 0;
        for (let round = 0; round < 2; round++) {
          await using frontEnd = startFrontEnd(listen, { queues, ring });
          last = await nextReady(tap, last);
          await works(listen, variant);
          await frontEnd.kill();
          await until(() => tap.connections.length === 0, "the end of the connection", PATIENCE);
        }
        assertEquals(last, 2);
      });
    },
  );

  liveTest(
    `kill -9 of DPDK's back-end (${name}), where the front-end listens`,
    missing,
    async () => {
      await inFolder((folder) =>
        turnedRound(folder, variant, async (_frontEnd, startBack, [listen, connect]) => {
          await using tap = startTap({ sys, listen, connect });
          let last = 0;
          for (let round = 0; round < 2; round++) {
            await using backEnd = startBack();
            last = await nextReady(tap, last);
            assertEquals(tap.connections.at(-1)?.frontEnd, 1);
            await works(listen, variant);
            await backEnd.kill();
            await until(() => tap.connections.length === 0, "the end of the connection", PATIENCE);
          }
        })
      );
    },
  );

  liveTest(
    `kill -9 of the tap (${name}): both sides live on, and the next tap has them again`,
    missing,
    async () => {
      await inFolder((folder) =>
        turnedRound(folder, variant, async (frontEnd, startBack, [listen, connect]) => {
          await using backEnd = startBack();
          for (let round = 0; round < 2; round++) {
            // A real tap, in a process of its own.
            const tap = startGuestmem(["tap", listen, connect]);
            try {
              await tap.line(/rings at/);
              await works(listen, variant);
            } finally {
              await tap.end("SIGKILL");
            }
          }
          for (const { pid } of [frontEnd, backEnd]) assert(sys.stat(`/proc/${pid}`).mode > 0);
        })
      );
    },
  );
}

/** A front-end that listens, and a back-end that connects through a tap, again and again. */
async function turnedRound(
  folder: string,
  { queues, ring }: Variant,
  run: (frontEnd: Testpmd, startBack: () => Testpmd, paths: [string, string]) => Promise<void>,
): Promise<void> {
  const [listen, connect] = [`${folder}/tap.sock`, `${folder}/front.sock`];
  const sender = { server: true, forward: "txonly", txFirst: false, queues, ring };
  await using frontEnd = startFrontEnd(connect, sender);
  await listening(connect);
  const startBack = () => startBackEnd(listen, { client: true, forward: "rxonly", queues });
  await run(frontEnd, startBack, [listen, connect]);
}
