/** Where a PCI device's registers are, as `dump config` shows it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { stripAnsiCode } from "@std/fmt/colors";
import { configJson, configText } from "../../cli/render/config.ts";
import { mappedText } from "../../cli/render/memory_table.ts";
import type { Device } from "../../lib/guest/guest.ts";
import { RegionTable } from "../../lib/memory/region_table.ts";
import { deviceAreas } from "../../lib/source/pci.ts";
import { parseResources } from "../../lib/transport/pci_bars.ts";
import { readCapabilities } from "../../lib/transport/pci_capabilities.ts";
import { FIRECRACKER_BALLOON, QEMU_GPU_HOSTMEM } from "../fixtures/pci_config.ts";

function device(areas: Device["areas"]): Device {
  const bus = { kind: "pci", id: "0000:00:07.0" } as const;
  const common = { name: "gpu", type: 16, status: 15, features: 0n, vhost: null };
  return { ...common, bus, queues: [], note: "", areas };
}

Deno.test("areas are the capabilities that name a range; the PCI window is none", () => {
  const { config, resource } = QEMU_GPU_HOSTMEM;
  const areas = deviceAreas(readCapabilities(config, parseResources(resource)));
  assertEquals(areas.map(({ name, bar, offset }) => `${name} ${bar} ${offset.toString(16)}`), [
    "notify 2 3000",
    "device 2 2000",
    "isr 2 1000",
    "common 2 0",
    "shared-memory 1 4 0",
  ]);
  assertEquals(areas[0].multiplier, 4);
});

Deno.test("dump config shows the notify area and its multiplier, in text and in JSON", () => {
  const { config, resource } = FIRECRACKER_BALLOON;
  const areas = deviceAreas(readCapabilities(config, parseResources(resource)));
  const view = { guest: "pci:07.0", device: device(areas), type: null };
  const lines = configText(view).split("\n").map((line) => line.trim().split(/ +/));
  assertEquals(lines.at(-1), ["notify", "0", "0x6000", "0x1000", "4"]);
  assertEquals(JSON.parse(configJson(view)).areas.at(-1), {
    name: "notify",
    bar: 0,
    offset: "0x6000",
    length: "0x1000",
    multiplier: 4,
    note: "",
  });
});

Deno.test("an area that a driver must not use is shown with the reason; none, no table", () => {
  const { config, resource } = FIRECRACKER_BALLOON;
  // BAR 0 is smaller than the notify area's end.
  const small = resource.replace(
    /^(0x[0-9a-f]+) 0x[0-9a-f]+/,
    (_, start: string) => `${start} 0x${(BigInt(start) + 0x5fffn).toString(16)}`,
  );
  const notify = deviceAreas(readCapabilities(config, parseResources(small))).at(-1);
  assertEquals(notify?.name, "notify");
  const view = (areas: Device["areas"]) => ({ guest: "g", device: device(areas), type: null });
  assertStringIncludes(configText(view(notify && [notify])), notify?.note || "no note");
  assertEquals(configText(view(undefined)).includes("AREA"), false);
});

Deno.test("dump config: what is not known is not none, and no heading ends in blanks", () => {
  const bus = { kind: "none", id: "peer 1" } as const;
  const peer: Device = { ...device(undefined), name: "1", type: 0, bus, status: null };
  const view = { guest: "ivshmem:/run/iv.sock", device: peer, type: null };
  const [heading, status, features] = stripAnsiCode(configText(view)).split("\n");
  assertEquals([heading, status, features], [
    "ivshmem:/run/iv.sock/1",
    "status    not known",
    "features  not known",
  ]);
  assertEquals(JSON.parse(configJson(view)).features, null);
  const fresh = { ...view, device: { ...peer, status: 1 } };
  assertStringIncludes(configText(fresh), "features  0x0: none");
  assertEquals(JSON.parse(configJson(fresh)).features, "0x0");
});

Deno.test("map says of a device without regions that it has none", () => {
  assertEquals(
    mappedText("pci:00:03.0", new RegionTable([]), ", all readable; unmapped"),
    "pci:00:03.0 has no shared memory regions: there is nothing to map",
  );
});
