/** Lists of grants and frames as memory that a session holds. */
import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import { openGntdev } from "../../ffi/xen/gntdev.ts";
import { openPrivcmd } from "../../ffi/xen/privcmd.ts";
import { SourceError } from "../../lib/errors.ts";
import { GuestMemory } from "../../lib/memory/guest_memory.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import type { XenHost } from "../../lib/xen/host.ts";
import { mapPart } from "../../lib/xen/part.ts";
import { type FakeIoctl, fakeXen } from "../support/fake_xen.ts";

const GRANT = 1n << 63n;

/** A host of a domain whose references from 100 on are bad, and whose frames from 0x100 on are not. */
function host(): { host: XenHost; mapped: ReadonlyMap<bigint, number> } {
  let announced: number[] = [];
  const ioctl: FakeIoctl = (name, { argument, at }) => {
    if (name === "GNTDEV_MAP_GRANT_REF") {
      const count = argument.getUint32(0, true);
      announced = Array.from({ length: count }, (_, i) => argument.getUint32(20 + 8 * i, true));
    } else if (name === "GNTDEV_GRANT_COPY") {
      const segments = at(argument.getBigUint64(8, true));
      for (let i = 0; i < argument.getUint32(0, true); i++) {
        const bad = segments.getUint32(24 * i, true) >= 100;
        segments.setInt16(24 * i + 20, bad ? -3 : 0, true);
      }
    } else if (name === "PRIVCMD_MMAPBATCH_V2") {
      const [frames, errors] = [16, 24].map((offset) => at(argument.getBigUint64(offset, true)));
      for (let i = 0; i < argument.getUint32(0, true); i++) {
        const bad = frames.getBigUint64(8 * i, true) >= 0x100n;
        errors.setInt32(4 * i, bad ? -22 : 0, true);
      }
    }
    return 0;
  };
  const mmap = (fd: number, _: number, _nth: number) =>
    fd >= 0 && announced.some((ref) => ref >= 100) ? "EINVAL" : null;
  const fake = fakeXen(ioctl, { mmap });
  const [gntdev, privcmd] = [openGntdev(fake.sys), openPrivcmd(fake.sys)];
  const refuse = () => {
    throw new SyscallError("ioctl", "EACCES", "query_size");
  };
  const made = {
    ...{ sys: fake.sys, write: false, privcmd, gntdev: () => gntdev },
    calls: { grantTableSize: refuse },
    [Symbol.dispose]: () => {},
  } as unknown as XenHost;
  return { host: made, mapped: fake.mapped };
}

Deno.test("grants are memory at the addresses that virtio gives them, each once and in order", () => {
  const { host: made, mapped } = host();
  {
    using part = mapPart(made, 3, { kind: "grants", list: "12,8,9,8,150" });
    assertEquals(
      part.regions.map(({ guest, length, offset, name }) => [guest, length, offset, name]),
      [
        [GRANT | 0x8000n, 0x2000n, 0, "grants 8-9"],
        [GRANT | 0xc000n, 0x1000n, 0x2000, "grant 12"],
      ],
    );
    assertEquals(part.faults, ["grant 150 is not mapped: bad reference"]);
    const memory = new GuestMemory(new RegionTable(part.regions), "part");
    assertEquals(memory.bytes(GRANT | 0x9000n, 4).length, 4);
  }
  assertEquals(mapped.size, 0);
});

Deno.test("frames are memory where the guest has them; a gap is none", () => {
  const { host: made } = host();
  using part = mapPart(made, 3, { kind: "machine-frames", list: "4-6,0x100,0x20" });
  assertEquals(part.regions.map(({ guest, length, offset }) => [guest, length, offset]), [
    [0x4000n, 0x3000n, 0],
    [0x20000n, 0x1000n, 0x3000],
  ]);
  assertEquals(part.faults, ["frame 0x100 is not mapped: EINVAL"]);
});

Deno.test("a list of which nothing can be mapped is an error, and holds nothing", () => {
  const { host: made, mapped } = host();
  const error = assertThrows(
    () => mapPart(made, 3, { kind: "grants", list: "200-299" }),
    SourceError,
    "none of these grants of domain 3 can be mapped: grant 200 is not mapped: bad reference; and 99",
  );
  assertEquals([error.kind, error.remedy.includes("dump grants xen:3")], ["not-found", true]);
  assertThrows(() => mapPart(made, 3, { kind: "frames", list: "" }), SourceError, "not a list");
  assertEquals(mapped.size, 0);
});
