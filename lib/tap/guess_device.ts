/**
 * What kind of device a conversation is about. vhost-user does not say it; what is negotiated and
 * asked for gives it away in most cases.
 *
 * @module
 */
import { hasProtocolFeature } from "../wire/vhost_user/vhost_user.ts";
import type { ConnectionState } from "./connection.ts";

/** A virtio device id with the reason for it. */
export interface DeviceGuess {
  /** 0 where nothing tells. */
  readonly type: number;
  /** Short name, `dev` where nothing tells. */
  readonly name: string;
  /** One line; empty where nothing tells. */
  readonly evidence: string;
}

/** struct virtio_blk_config without the fields after `opt_io_size`: virtio 1.4, 5.2.4. */
const BLK_CONFIG_LEAST = 32;

/** struct virtio_blk_config with all of them, and what QEMU's versions have asked for. */
const BLK_CONFIG_MOST = 96;

/** Feature bits that only a device of one type gives meaning to, and that its drivers negotiate. */
const NET_BITS = (1n << 5n) | (1n << 15n) | (1n << 17n) | (1n << 22n);
const BLK_BITS = (1n << 1n) | (1n << 2n) | (1n << 6n) | (1n << 9n);

/** Guesses the device. */
export function guessDevice(state: ConnectionState): DeviceGuess {
  return byProtocol(state) ?? byConfig(state) ?? byFeatures(state) ??
    { type: 0, name: "dev", evidence: "" };
}

function byProtocol({ offeredProtocolFeatures: offered }: ConnectionState): DeviceGuess | null {
  if (hasProtocolFeature(offered, "CRYPTO_SESSION") && !hasProtocolFeature(offered, "RARP")) {
    return { type: 20, name: "crypto", evidence: "the back-end offers CRYPTO_SESSION" };
  }
  if (hasProtocolFeature(offered, "RARP") || hasProtocolFeature(offered, "MTU")) {
    return { type: 1, name: "net", evidence: "the back-end offers RARP or MTU" };
  }
  return null;
}

function byConfig({ config }: ConnectionState): DeviceGuess | null {
  const length = config?.data.length ?? 0;
  if (length < BLK_CONFIG_LEAST || length > BLK_CONFIG_MOST) return null;
  return { type: 2, name: "blk", evidence: `configuration space of ${length} bytes` };
}

/** Both types share bit numbers: the one with more of its own bits wins. */
function byFeatures({ features, vrings }: ConnectionState): DeviceGuess | null {
  if (features === null) return null;
  const device = features & 0xff_ffffn;
  if (device === 0n && vrings.length >= 2) {
    return { type: 26, name: "fs", evidence: "no feature bit of its own, and several queues" };
  }
  const [net, blk] = [count(device & NET_BITS), count(device & BLK_BITS)];
  if (net > blk) return { type: 1, name: "net", evidence: "feature bits of a network device" };
  if (blk > net) return { type: 2, name: "blk", evidence: "feature bits of a block device" };
  return null;
}

function count(bits: bigint): number {
  return bits.toString(2).replaceAll("0", "").length;
}
