/** `ccw:` on a made-up sysfs: no machine that runs this has a channel subsystem. */
import { assertEquals, assertRejects } from "@std/assert";
import { SourceError } from "../../lib/errors.ts";
import { parseTarget } from "../../lib/guest/target.ts";
import { chooseKick, kicksOf } from "../../lib/kick/choose.ts";
import { ccwSource } from "../../lib/source/ccw.ts";
import { sys } from "../support/host.ts";
import { inFolder } from "../support/vhost_tapped.ts";

/** As Linux lists a network device and a disk without a driver, and a device that is not virtio. */
async function machine(root: string): Promise<void> {
  const ccw = `${root}/sys/bus/ccw/devices`;
  for (
    const [id, cutype] of [["0.0.0001", "3832/01"], ["0.0.0002", "3832/02"], [
      "0.0.0009",
      "3390/0c",
    ]]
  ) {
    await Deno.mkdir(`${ccw}/${id}`, { recursive: true });
    await Deno.writeTextFile(`${ccw}/${id}/cutype`, `${cutype}\n`);
  }
  const device = `${root}/sys/devices/css0/0.0.0000/0.0.0001/virtio0`;
  await Deno.mkdir(device, { recursive: true });
  const features = "0".repeat(32) + "1" + "0".repeat(31);
  const files = { device: "0x0001", vendor: "0x0000", status: "0x0000000f", features };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${device}/${name}`, `${text}\n`);
  }
  await Deno.symlink("../../virtio_net", `${device}/driver`);
  await Deno.mkdir(`${root}/sys/bus/virtio/devices`, { recursive: true });
  await Deno.symlink(
    "../../../devices/css0/0.0.0000/0.0.0001/virtio0",
    `${root}/sys/bus/virtio/devices/virtio0`,
  );
}

Deno.test("channel-attached devices are found, looked at, and say why they can not be kicked", async () => {
  await inFolder(async (root) => {
    await machine(root);
    const below: typeof sys = {
      ...sys,
      open: (path, flags, mode) => sys.open(root + path, flags, mode),
      readdir: (path) => sys.readdir(root + path),
      readlink: (path) => sys.readlink(root + path),
    };
    const options = { sys: below, write: false, layout: null, signal: null, log: () => {} };
    const found = await ccwSource.find?.(options);
    assertEquals(found?.map(({ target, state }) => [target, state]), [
      ["ccw:0.0.0001", "virtio_net"],
      ["ccw:0.0.0002", "no driver"],
    ]);
    assertEquals(found?.map(({ devices }) => devices[0].type), [1, 2]);
    const attach = (text: string) => ccwSource.attach(parseTarget(text, () => false), options);
    await using attachment = await attach("ccw:0.0.0001/net:0");
    const [device] = attachment.devices;
    assertEquals([device.name, device.status, device.features], ["net", 15, 1n << 32n]);
    assertEquals(device.bus, { kind: "ccw", id: "0.0.0001" });
    const ways = kicksOf(attachment, device, device.queues[0], "kick", { sys: below });
    const error = await assertRejects(
      () => Promise.resolve().then(() => chooseKick(ways, null)),
      SourceError,
    );
    assertEquals(error.message.includes("DIAGNOSE 0x500"), true, error.message);
    await Deno.remove(`${root}/sys/bus/ccw/devices/0.0.0001`, { recursive: true });
    const gone = await assertRejects(() => attachment.refresh(), SourceError);
    assertEquals([gone.kind, gone.remedy], ["not-found", "devices: 0.0.0002"]);
  });
});
