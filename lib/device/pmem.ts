/**
 * Persistent memory device: virtio 1.4, 5.19.6.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, exchange, expect, sentence } from "./exchange.ts";
import { i32, u32, u64 } from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const { type } = x.request.struct("virtio_pmem_req", { type: u32 });
  const name = expect(x.notes, "type", ["FLUSH"], type) ?? "incomplete";
  const { ret } = x.reply.struct("virtio_pmem_resp", { ret: i32 });
  const answered = ret === undefined ? "no ret" : ret === 0 ? "OK" : `failed (${ret})`;
  const result = x.pending ? "pending" : answered;
  return decoded("pmem", name, x, sentence([name], result), {
    type: type === undefined ? undefined : name,
    ret: x.pending ? "pending" : ret,
  });
}

/** Persistent memory device (id 27). */
export const pmem: DeviceType = {
  id: 27,
  name: "pmem",
  features: { 0: "SHMEM_REGION" },
  config: { start: u64, size: u64 },
  queueName: QUEUE_NAMERS.pmem,
  decode,
};
