/**
 * Runs in dom0: a vhost-user front-end of ours that sends a Xen guest's memory in every way there is, to
 * a sink (`vhost:SOCKET`) that maps it through dom0's devices. The ring is the one that `sharer` made
 * in the guest: its descriptors name grants.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { EFD_NONBLOCK, O_RDWR } from "../../../../ffi/constants.ts";
import { Fd } from "../../../../ffi/fd.ts";
import { GRANT_FLAG } from "../../../../lib/address.ts";
import { openQueue } from "../../../../lib/guest/open_queue.ts";
import { verifyRegions } from "../../../../lib/memory/verify.ts";
import { openTarget } from "../../../../lib/source/attach.ts";
import type { Attachment } from "../../../../lib/source/source.ts";
// Loaded before the clock of any test runs: that takes seconds under emulation.
import "../../../../lib/source/vhost.ts";
import {
  customMmapRequest,
  EMPTY,
  frontEndRequest,
  hasProtocolFeature,
  payloadAs,
  u64,
  vringFd,
  vringState,
  type WireRegion,
} from "../../../../lib/wire/vhost_user/vhost_user.ts";
import { openXenHost } from "../../../../lib/xen/host.ts";
import { readGrantTable } from "../../../../lib/xen/read_grants.ts";
import { connectPeer, type Peer } from "../../../support/vhost_peer.ts";
import { inFolder, until } from "../../../support/vhost_tapped.ts";
import { pv, pvh, shared, sys, textOf, type XlGuest } from "./guests.ts";

/** Where the front-end has the guest's frames, and its grants, in its own address space. */
const FRAMES_AT = 0x7000_0000_0000n;
const GRANTS_AT = 1n << 56n;
/** XEN_REGION_FLAG, both values of the third. */
const [FOREIGN, GRANT, ON_DEMAND, ON_DEMAND_DOCUMENTED] = [1, 2, 8, 0x100];
const PAGE = 4096n;

/** How a front-end sends the memory. */
interface Sending {
  readonly regions: readonly WireRegion[];
  /** Where the ring's page is in the front-end's address space. */
  readonly ring: bigint;
  /** The draft's message in the place of the regions' own fields. */
  readonly draft?: bigint;
}

function region(guest: bigint, size: bigint, user: bigint, flags: number | null, domid: number) {
  const xen = flags === null ? null : { flags, domid };
  return { guestAddress: guest, size, userAddress: user, mmapOffset: 0n, xen };
}

/** Memory by frame, buffers by grant: what a virtio guest of Xen would have without an IOMMU. */
function foreign({ domain }: XlGuest, ringFrame: number): Sending {
  return {
    regions: [
      region(0n, 96n << 20n, FRAMES_AT, FOREIGN, domain),
      region(GRANT_FLAG, 1n << 50n, GRANTS_AT, GRANT | ON_DEMAND, domain),
    ],
    ring: FRAMES_AT + BigInt(ringFrame) * PAGE,
  };
}

/** Nothing but grants: all there can be, each mapped when it is read. */
function onDemand({ domain }: XlGuest, ringRef: number): Sending {
  const flags = GRANT | ON_DEMAND_DOCUMENTED;
  return {
    regions: [region(GRANT_FLAG, 1n << 50n, GRANTS_AT, flags, domain)],
    ring: GRANTS_AT + BigInt(ringRef) * PAGE,
  };
}

/** The ring's page and the buffers' behind it, mapped for as long as the connection has them. */
function inAdvance({ domain }: XlGuest, ringRef: number): Sending {
  const start = GRANT_FLAG | (BigInt(ringRef) * PAGE);
  return { regions: [region(start, 2n * PAGE, GRANTS_AT, GRANT, domain)], ring: GRANTS_AT };
}

/** As the draft of 2022 had it. */
function draft({ domain }: XlGuest, ringFrame: number): Sending {
  return {
    regions: [region(0n, 96n << 20n, FRAMES_AT, null, domain)],
    ring: FRAMES_AT + BigInt(ringFrame) * PAGE,
    draft: BigInt(domain),
  };
}

async function send(peer: Peer, { regions, ring, draft }: Sending): Promise<void> {
  await peer.send(frontEndRequest("GET_PROTOCOL_FEATURES", EMPTY));
  const { value } = payloadAs((await peer.receive(30_000))!.message, "u64");
  assert(hasProtocolFeature(value, "XEN_MMAP"), `offered 0x${value.toString(16)}`);
  await peer.send(frontEndRequest("SET_PROTOCOL_FEATURES", u64(value)));
  await peer.send(frontEndRequest("SET_FEATURES", u64((1n << 32n) | (1n << 30n))));
  if (draft !== undefined) await peer.send(customMmapRequest(1n, draft));
  using files = new DisposableStack();
  const fds = regions.map(({ guestAddress }) => {
    const path = guestAddress >= GRANT_FLAG ? "/dev/xen/gntdev" : "/dev/xen/privcmd";
    return files.use(new Fd(sys, sys.open(path, O_RDWR))).number;
  });
  const table = { kind: "memory-table", padding: 0, regions } as const;
  await peer.send(frontEndRequest("SET_MEM_TABLE", table), fds);
  await peer.send(frontEndRequest("SET_VRING_NUM", vringState(0, 16)));
  await peer.send(frontEndRequest("SET_VRING_BASE", vringState(0, 1)));
  await peer.send(frontEndRequest("SET_VRING_ADDR", {
    ...{ kind: "vring-address", index: 0, flags: 0, log: 0n },
    ...{ descriptor: ring, available: ring + 0x400n, used: ring + 0x800n },
  }));
  const kick = files.use(new Fd(sys, sys.eventfd(0, EFD_NONBLOCK)));
  await peer.send(frontEndRequest("SET_VRING_KICK", vringFd(0)), [kick.number]);
}

/** Serves on a socket, sends, and runs with the attachment. */
async function served(sending: Sending, run: (attachment: Attachment) => void): Promise<void> {
  await inFolder(async (folder) => {
    const socket = `${folder}/sink.sock`;
    // A front-end that is refused would be waited for without an end.
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 60_000);
    const attaching = openTarget(`vhost:${socket}`, { sys, signal: stop.signal })
      .finally(() => clearTimeout(timer));
    await Promise.race([attaching, until(() => exists(socket), "the sink listens")]);
    using peer = connectPeer(socket);
    const [attached] = await Promise.all([attaching, send(peer, sending)]);
    await using attachment = attached;
    run(attachment);
  });
}

function exists(path: string): boolean {
  try {
    return sys.stat(path) !== null;
  } catch {
    return false;
  }
}

/** Whether dom0 has a grant of the guest mapped. */
function isMapped({ domain }: XlGuest, ref: number): boolean {
  using host = openXenHost(sys, false);
  const { entries } = readGrantTable(host, domain);
  return entries.find((entry) => entry.ref === ref)?.mappedBy === 0;
}

/** The ring's two chains, and the text that the guest wrote into a buffer of the first. */
function checkRing(attachment: Attachment): void {
  const ring = openQueue(attachment, attachment.devices[0].queues[0])!;
  const snapshot = ring.snapshot({ chains: "recent", recentCount: 1 });
  assertEquals([snapshot.available.index, snapshot.used.index, snapshot.inFlight], [2, 1, 1]);
  assertEquals(snapshot.findings, []);
  const chains = Array.from({ length: snapshot.chainCount }, (_, i) => snapshot.chain(i));
  assertEquals(chains.map(({ head }) => head), [0, 3]);
  assertEquals(chains.flatMap(({ descriptors }) => descriptors.map(({ status }) => status)), [
    ...["ok", "ok", "ok"],
    ...["ok", "ok", "ok"],
  ]);
  const { address } = chains[0].descriptors[1];
  assert(address >= GRANT_FLAG, `0x${address.toString(16)}`);
  assertEquals(textOf(attachment.memory.bytes(address, 40)), "sector 42 of a granted disk");
}

for (const name of ["pv1", "pvh1"]) {
  const guest = name === "pv1" ? pv : pvh;

  Deno.test(`vhost-user, ${name}: regions of foreign frames, buffers by grants on demand`, async () => {
    const { ringFrame, plainFrame, ringRef } = shared.get(guest)!;
    await served(foreign(guest, ringFrame), (attachment) => {
      checkRing(attachment);
      const plain = attachment.memory.bytes(BigInt(plainFrame) * PAGE, 32);
      assertEquals(textOf(plain), "guestmem plain marker page");
      assert(!isMapped(guest, ringRef + 1), "a buffer stayed mapped");
    });
  });

  Deno.test(`vhost-user, ${name}: grants that may not be mapped in advance are not`, async () => {
    const { ringRef, other } = shared.get(guest)!;
    await served(onDemand(guest, ringRef), (attachment) => {
      checkRing(attachment);
      assert(!isMapped(guest, ringRef), "the ring stayed mapped");
      const { table } = attachment.memory;
      assertEquals([...verifyRegions(table).values()], ["ok"]);
      const { backing } = table.regions[0];
      assertEquals(backing.nextData(other[0] * 4096)!.start > other[0] * 4096, true);
      assertEquals(backing.copy(other[0] * 4096, new Uint8Array(8)), {
        length: 0,
        errno: "EINVAL",
      });
    });
  });

  Deno.test(`vhost-user, ${name}: grants in advance are mapped until the end`, async () => {
    const { ringRef } = shared.get(guest)!;
    await served(inAdvance(guest, ringRef), (attachment) => {
      checkRing(attachment);
      assert(isMapped(guest, ringRef) && isMapped(guest, ringRef + 1), "not mapped");
    });
    assert(!isMapped(guest, ringRef) && !isMapped(guest, ringRef + 1), "still mapped");
  });

  Deno.test(`vhost-user, ${name}: the draft's CUSTOM_MMAP, one word for all regions`, async () => {
    const { ringFrame } = shared.get(guest)!;
    await served(draft(guest, ringFrame), (attachment) => {
      const ring = openQueue(attachment, attachment.devices[0].queues[0])!;
      assertEquals(ring.indices()?.available.index, 2);
      // Without a region for grants its buffers are outside memory.
      assertEquals(ring.snapshot().findings[0]?.code, "address-outside-memory");
    });
  });
}

Deno.test("vhost-user: a domain that is not there is said, whatever the front-end sent", async () => {
  const nowhere = { ...pvh, domain: 77 };
  let message = "";
  await served(foreign(nowhere, 1), () => {}).catch((error) => message = error.message);
  assertEquals(message, "xen: find domain: no domain 77");
});
