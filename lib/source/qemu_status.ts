/**
 * What QEMU tells about one virtio device: type, status, negotiated features, back-end.
 *
 * x-query-virtio-status aborts some QEMUs: 11.1.3 always (an assertion in visit_start_struct), and any
 * where it meets a device type that its own table lacks (g_assert_not_reached in
 * qmp_decode_features). So it is only asked where it is known to be safe.
 *
 * @module
 */
import { deviceIdNamed } from "../device/names.ts";
import { answer, count, flag, text } from "../wire/qmp/answer.ts";
import { featureMask, statusByte } from "../wire/qmp/features.ts";
import { isRecord, type QemuVersion } from "../wire/qmp/message.ts";
import type { Command, Reply } from "./qemu_monitor.ts";
import type { NamedDevice } from "./qemu_qom.ts";

/** A device's own state. */
export interface DeviceStatus {
  /** virtio device id. */
  readonly type: number;
  /** Queues; null where they are to be counted. */
  readonly queueCount: number | null;
  /** Status byte: virtio 1.4, 2.1; null where it is not known. */
  readonly status: number | null;
  readonly features: bigint;
  /** Whether the back-end speaks vhost-user, where that is known from its features. */
  readonly vhostUser: boolean;
  /** What is uncertain; empty where nothing is. */
  readonly note: string;
}

/** VHOST_USER_F_PROTOCOL_FEATURES: kernel back-ends never offer it. */
const VHOST_USER_BIT = 1n << 30n;
const QUEUE_LIMIT = 1024;
const COMMAND = "x-query-virtio-status";

/** Types in the table of every QEMU from 7.2 to 10.0. virtio-gpio came with 8.1. */
const SAFE = new Set([
  "virtio-net",
  "virtio-blk",
  "virtio-serial",
  "virtio-rng",
  "virtio-balloon",
  "virtio-scsi",
  "virtio-9p",
  "virtio-gpu",
  "virtio-input",
  "vhost-vsock",
  "virtio-crypto",
  "virtio-iommu",
  "virtio-mem",
  "virtio-sound",
  "virtio-user-fs",
  "virtio-pmem",
]);

/** Whether x-query-virtio-status can be asked without harm. 10.1 to 11.0 were not tried. */
export function mayAskStatus(version: QemuVersion, model: string): boolean {
  const old = version.major < 10 || (version.major === 10 && version.minor === 0);
  return old && SAFE.has(model);
}

/** The question. */
export function statusQuestion(path: string): Command {
  return { name: COMMAND, args: { path } };
}

/** Reads the answer. Throws `ProtocolError` where it is none. */
export function readStatus(value: unknown): DeviceStatus {
  const from = answer(COMMAND, value);
  const features = featureMask(from.value["guest-features"]);
  const vhost = from.value["vhost-dev"];
  const offered = isRecord(vhost) ? featureMask(vhost.features).bits : 0n;
  const unknown = features.unknown.length === 0
    ? ""
    : `features without a known bit: ${features.unknown.join(", ")}`;
  const broken = flag(from, "broken") ? `QEMU calls this ${text(from, "name")} broken` : "";
  return {
    type: count(from, "device-id", 0xffff),
    queueCount: count(from, "num-vqs", QUEUE_LIMIT),
    status: statusByte(from.value.status),
    features: features.bits,
    vhostUser: (offered & VHOST_USER_BIT) !== 0n,
    note: [broken, unknown].filter((part) => part !== "").join("; "),
  };
}

/** What is left where the question was refused or may not be asked. */
export function unknownStatus(device: NamedDevice, reply: Reply | null): DeviceStatus {
  const note = reply !== null && !reply.ok ? reply.description : "";
  // QEMU names the file system device after its back-end.
  const model = device.model.replace("virtio-user-fs", "vhost-user-fs");
  const type = deviceIdNamed(model) ?? 0;
  return { type, queueCount: null, status: null, features: 0n, vhostUser: false, note };
}
