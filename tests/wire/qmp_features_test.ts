import { assertEquals } from "@std/assert";
import { featureMask, statusByte } from "../../lib/wire/qmp/features.ts";
import { recording } from "../support/monitor.ts";

/** Every x-query-virtio-status answer of a recording. */
function statuses(name: string): Record<string, unknown>[] {
  return recording(name).answers
    .filter(([question]) => question.execute === "x-query-virtio-status")
    .map(([, reply]) => reply.return as Record<string, unknown>);
}

Deno.test("every feature name that QEMU 7.2 and 10.0 were seen to write has a bit", () => {
  for (const name of ["split", "packed-noevent-noind", "q10-packed", "microvm", "vhost-user-blk"]) {
    for (const status of statuses(name)) {
      const { features } = (status["vhost-dev"] ?? {}) as Record<string, unknown>;
      for (const part of [status["guest-features"], status["host-features"], features]) {
        assertEquals(featureMask(part).unknown, [], `${name} ${status.name}`);
      }
    }
  }
});

Deno.test("masks of real devices", () => {
  const mask = (name: string, device: string) => {
    const status = statuses(name).find((one) => one.name === device);
    return "0x" + featureMask(status?.["guest-features"]).bits.toString(16);
  };
  // SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, CONFIG_WCE …; INDIRECT, EVENT_IDX; VERSION_1; RING_RESET,
  // which 7.2 has no name for and gives as a number.
  assertEquals(mask("split", "virtio-blk"), "0x10130006e54");
  assertEquals(mask("packed-noevent-noind", "virtio-rng"), "0x10500000000");
  assertEquals(mask("q10-packed", "virtio-rng"), "0x10530000000");
  // CTRL_GUEST_OFFLOADS 2, MAC 5, 15 to 19, GUEST_ANNOUNCE 21, CTRL_MAC_ADDR 23.
  assertEquals(mask("q10-packed", "virtio-net"), "0x10530af8024");
});

Deno.test("names that QEMU writes wrongly, and those it does not know", () => {
  const bits = (names: string[], more = {}) =>
    featureMask({ transports: [], "dev-features": names, ...more });
  assertEquals(bits(["VIRTIO_NET_F_GUEST_USO4: Driver can receive USOv4"]).bits, 1n << 54n);
  assertEquals(bits(["VIRTIO_NET_F_GUEST_USO4: Driver can receive USOv6"]).bits, 1n << 55n);
  assertEquals(bits(["VIRTIO_MEM_F_PERSISTENT_SUSPND: Plugged memory"]).bits, 1n << 2n);
  assertEquals(bits(["VIRTIO_I2C_F_ZERO_LEGNTH_REQUEST: Zero length"]).bits, 1n);
  assertEquals(bits(["VIRTIO_BALLOON_F_REPORTING: Page reporting VQ enabled"]).bits, 1n << 5n);
  assertEquals(bits(["VIRTIO_FOO_F_BAR: new"], { "unknown-dev-features": 2n ** 63n }), {
    bits: 1n << 63n,
    unknown: ["VIRTIO_FOO_F_BAR"],
  });
  assertEquals(featureMask(null), { bits: 0n, unknown: [] });
  assertEquals(featureMask({ transports: [1, null], "dev-features": "x" }).bits, 0n);
});

Deno.test("the status byte", () => {
  assertEquals(statuses("split").map((one) => statusByte(one.status)), new Array(6).fill(15));
  const some = ["VIRTIO_CONFIG_S_NEEDS_RESET: reset", "VIRTIO_CONFIG_S_FAILED: failed"];
  assertEquals(statusByte({ statuses: some, "unknown-statuses": 0x10 }), 0xd0);
  assertEquals(statusByte({}), 0);
});
