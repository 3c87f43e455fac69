/**
 * Entropy device: virtio 1.4, 5.4.6. The device fills the writable part with random bytes, which are
 * nobody's business: only their number is shown.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, exchange, plural, sentence } from "./exchange.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  if (x.readable > 0) x.notes.push(`${plural(x.readable, "readable byte")}: 5.4.6.1 forbids them`);
  if (!x.pending && x.written === 0) x.notes.push("the device gave no entropy (5.4.6.2)");
  const result = x.pending ? "pending" : `${plural(x.written, "byte")} given`;
  return decoded("rng", "entropy", x, sentence([`wants ${plural(x.writable, "byte")}`], result), {
    wanted: x.writable,
    given: x.pending ? undefined : x.written,
  });
}

/** Entropy device (id 4). */
export const rng: DeviceType = {
  id: 4,
  name: "rng",
  features: {},
  queueName: QUEUE_NAMERS.rng,
  decode,
};
