/**
 * Which devices of a QEMU have, or may get, a back-end outside of it.
 *
 * @module
 */
import { type Command, human, humanText, type QmpMonitor, type Reply } from "./qemu_monitor.ts";
import type { NamedDevice } from "./qemu_qom.ts";

/** What a device's rings may be served by. */
export interface BackEnd {
  /** `vhost-user`, `vhost-vdpa`, `vhost-kernel`; null where nothing but QEMU is known. */
  readonly kind: string | null;
  /**
   * A back-end may start at any moment and may not be asked for its rings' indices: vhost-user stops
   * them. Devices whose only back-end is QEMU or the kernel are `false`.
   */
  readonly fragile: boolean;
}

/** Questions to ask per device; {@linkcode backEndOf} takes the answers. */
export function backEndQuestions(device: NamedDevice): Command[] {
  const get = (property: string) => ({
    name: "qom-get",
    args: { path: device.path, property },
  });
  return device.model === "virtio-net" ? [get("type"), get("netdev")] : [get("type")];
}

/** `info network`: names of network back-ends → their types (`tap`, `user`, `vhost-user`). */
export async function networkTypes(monitor: QmpMonitor): Promise<Map<string, string>> {
  return parseNetwork(humanText((await monitor.ask([human("info network")]))[0]) ?? "");
}

/** Parses `info network`: ` \ n0: index=0,type=user,net=10.0.2.0,restrict=off`. */
export function parseNetwork(text: string): Map<string, string> {
  const lines = text.matchAll(/^(?: \\ )?(.+?): index=[0-9]+,type=([a-z0-9-]+)/gm);
  return new Map([...lines].map((match) => [match[1], match[2]]));
}

/** The back-end of a device, from the answers to {@linkcode backEndQuestions}. */
export function backEndOf(
  [type, netdev]: readonly (Reply | undefined)[],
  networks: ReadonlyMap<string, string>,
): BackEnd {
  const model = type?.ok && typeof type.value === "string" ? type.value : "";
  const peer = netdev?.ok && typeof netdev.value === "string"
    ? networks.get(netdev.value)
    : undefined;
  for (const kind of ["vhost-user", "vhost-vdpa"]) {
    if (model.startsWith(kind) || peer === kind) return { kind, fragile: true };
  }
  if (model.startsWith("vhost-")) return { kind: "vhost-kernel", fragile: true };
  return { kind: null, fragile: false };
}
