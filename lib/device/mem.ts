/**
 * Memory device (virtio-mem): virtio 1.4, 5.15.6.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, exchange, expect, outcome, plural, sentence } from "./exchange.ts";
import { named, nameOf, type Names, pad, u16, u64, when } from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

const TYPES: Names = ["PLUG", "UNPLUG", "UNPLUG_ALL", "STATE"];
const RESPONSES: Names = ["ACK", "NACK", "BUSY", "ERROR"];
const STATES: Names = ["PLUGGED", "UNPLUGGED", "MIXED"];
const UNPLUG_ALL = 2;
const STATE = 3;

/** `struct virtio_mem_req`: `u` is the same for all requests that have one. */
const REQUEST = { type: named(u16, TYPES), padding: pad(6) };
const RANGE = { addr: u64, nbBlocks: u16, padding: pad(6) };

/** `struct virtio_mem_resp`: the state is only in the answer to STATE. */
const RESPONSE = { type: u16 };
const RESPONSE_STATE = { padding: pad(6), state: u16 };

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const { type } = x.request.struct("virtio_mem_req", REQUEST);
  const name = expect(x.notes, "type", TYPES, type) ?? "incomplete";
  const ranged = type !== undefined && type !== UNPLUG_ALL && type in TYPES;
  const { addr, nbBlocks } = ranged ? x.request.struct("virtio_mem_req u", RANGE) : {};
  const response = outcome(
    x,
    "response",
    RESPONSES,
    x.reply.struct("virtio_mem_resp", RESPONSE).type,
  );
  const { state } = type === STATE && response === "ACK"
    ? x.reply.struct("virtio_mem_resp_state", RESPONSE_STATE)
    : { state: undefined };
  const stateName = state === undefined ? undefined : nameOf(STATES, state);
  const words = [
    name,
    addr !== undefined && u64.show(addr) as string,
    nbBlocks !== undefined && plural(nbBlocks, "block"),
  ];
  return decoded("mem", name, x, sentence(words, sentence([response, stateName])), {
    type: type === undefined ? undefined : name,
    addr: addr === undefined ? undefined : u64.show(addr),
    nbBlocks,
    response,
    state: stateName,
  });
}

/** Memory device (id 24). */
export const mem: DeviceType = {
  id: 24,
  name: "mem",
  features: { 0: "ACPI_PXM", 1: "UNPLUGGED_INACCESSIBLE", 2: "PERSISTENT_SUSPEND" },
  config: {
    blockSize: u64,
    nodeId: when(0, u16),
    padding: pad(6),
    addr: u64,
    regionSize: u64,
    usableRegionSize: u64,
    pluggedSize: u64,
    requestedSize: u64,
  },
  queueName: QUEUE_NAMERS.mem,
  decode,
};
