/** This machine's own virtio devices, if it has some: every one that Linux lists is found, on its bus. */
import { assert, assertEquals } from "@std/assert";
import { enumerate } from "../../lib/transport/enumerate.ts";
import { sysfsReader } from "../../lib/transport/sysfs_reader.ts";
import { sys } from "../support/host.ts";

function linuxNames(): string[] {
  try {
    return sys.readdir("/sys/bus/virtio/devices").sort();
  } catch {
    return [];
  }
}

Deno.test("every device of /sys/bus/virtio is enumerated once", () => {
  const devices = enumerate(sysfsReader(sys));
  const names = devices.flatMap(({ node }) => node === null ? [] : [node.name]).sort();
  assertEquals(names, linuxNames());
  for (const device of devices) {
    if (device.bus !== "pci" || device.node === null) continue;
    assert(device.what.kind !== "ivshmem" && device.what.kind !== "ivshmem-v2");
    assertEquals("type" in device.what && device.what.type, device.node.type, device.address);
  }
});

Deno.test("a root that holds nothing has no devices", () => {
  assertEquals(enumerate(sysfsReader(sys, "/nowhere")), []);
});
