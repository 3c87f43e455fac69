/**
 * A healthy Linux guest under load, read as fast as it can be: nothing that it does is a finding. Many
 * requests of both disks are with the device at a time and come back in any order, so that entries
 * stay in the rings whose chains were used, freed and made into something else.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { openRing } from "../../lib/ring/ring.ts";
import { settledSnapshot } from "../../lib/ring/settled.ts";
import type { Ring } from "../../lib/ring/snapshot.ts";
import type { Attachment } from "../../lib/source/source.ts";
import {
  type GuestOptions,
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";
import { attachTo } from "../support/qemu_target.ts";

const missing = await linuxGuestMissing();

/** How long each guest is looked at, and how often its queues are asked for again. */
const [SECONDS, REFRESH] = [8, 500];

/** Requests a second of the first disk: few enough that some always wait, on any machine. */
const IOPS = 150;

const VARIANTS: readonly { name: string; options: GuestOptions }[] = [
  { name: "split, event index, indirect", options: {} },
  { name: "split, event index", options: { indirect: false } },
  { name: "split, indirect", options: { eventIdx: false } },
  { name: "split, neither", options: { eventIdx: false, indirect: false } },
  { name: "packed, event index, indirect", options: { packed: true } },
  { name: "packed, neither", options: { packed: true, eventIdx: false, indirect: false } },
];

/** Starts reads and writes of several sizes side by side, and what makes memory go round. */
async function load(guest: LinuxGuest): Promise<void> {
  const disks = ["vda", "sda"].flatMap((disk) => [
    ...[1, 2, 3, 4].map((n) =>
      `dd if=/dev/${disk} of=/dev/null bs=${16 * n}k count=8 skip=${2 * n} iflag=direct`
    ),
    ...[1, 2].map((n) =>
      `dd if=/dev/zero of=/dev/${disk} bs=${8 * n}k count=8 seek=${20 * n} oflag=direct`
    ),
  ]);
  const cached = "dd if=/dev/vda of=/dev/null bs=1M count=8; echo 3 > /proc/sys/vm/drop_caches";
  for (const command of [...disks, cached, "ls -lR /sys"]) {
    const { status, text } = await guest.run(`(while :; do ${command}; done) > /dev/null 2>&1 &`);
    assertEquals([status, text], [0, ""]);
  }
}

function ringsOf({ devices, memory }: Attachment): { place: string; ring: Ring }[] {
  return devices.flatMap(({ name, queues }) =>
    queues.flatMap(({ name: queue, ring }) =>
      ring === null ? [] : [{ place: `${name}:${queue}`, ring: openRing(memory, ring) }]
    )
  );
}

for (const { name, options } of VARIANTS) {
  liveTest(`a healthy guest under load has no findings: ${name}`, missing, async () => {
    await using guest = await startLinuxGuest({ ...options, tick: 0.02, iops: IOPS });
    await using live = await attachTo(guest.pid);
    await load(guest);
    const seen = { looks: 0, raced: 0, chains: 0 };
    const most = new Map<string, number>();
    const findings = new Set<string>();
    for (const end = performance.now() + 1000 * SECONDS; performance.now() < end;) {
      await live.refresh();
      const rings = ringsOf(live);
      const next = performance.now() + REFRESH;
      while (performance.now() < next) {
        for (const { place, ring } of rings) {
          const snapshot = settledSnapshot(ring);
          seen.looks++;
          seen.chains += snapshot.chainCount;
          if (snapshot.raced) seen.raced++;
          most.set(place, Math.max(most.get(place) ?? 0, snapshot.inFlight));
          for (const { code, place: at, text } of snapshot.findings) {
            findings.add(`${place}${snapshot.raced ? ", raced" : ""}: ${code} at ${at}: ${text}`);
          }
        }
      }
    }
    const [blk, scsi] = ["blk0:request0", "scsi0:request0"].map((place) => most.get(place) ?? 0);
    console.log(`${name}: ${JSON.stringify({ ...seen, blk, scsi })}`);
    assertEquals([...findings], []);
    assert(blk > 2 && scsi > 0, "the guest was not busy");
  });
}
