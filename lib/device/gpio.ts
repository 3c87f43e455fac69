/**
 * GPIO device: virtio 1.4, 5.18.6 (requests) and 5.18.7 (interrupts).
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import {
  bounded,
  decoded,
  type Exchange,
  exchange,
  expect,
  outcome,
  sentence,
} from "./exchange.ts";
import { nameOf, type Names, pad, type Shown, textOf, u16, u32, u8 } from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

const TYPES: Names = {
  1: "GET_LINE_NAMES",
  2: "GET_DIRECTION",
  3: "SET_DIRECTION",
  4: "GET_VALUE",
  5: "SET_VALUE",
  6: "SET_IRQ_TYPE",
};
const GET_LINE_NAMES = 1;

const DIRECTIONS: Names = ["NONE", "OUT", "IN"];
const IRQ_TYPES: Names = {
  0: "NONE",
  1: "EDGE_RISING",
  2: "EDGE_FALLING",
  3: "EDGE_BOTH",
  4: "LEVEL_HIGH",
  8: "LEVEL_LOW",
};

/** What `value` means, by type of message. */
const VALUES: { readonly [type: number]: Names } = { 2: DIRECTIONS, 3: DIRECTIONS, 6: IRQ_TYPES };

/** `struct virtio_gpio_request`. */
const REQUEST = { type: u16, gpio: u16, value: u32 };

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  return context.queue === 1 ? decodeInterrupt(x) : decodeMessage(x);
}

function decodeMessage(x: Exchange): DecodedRequest {
  const { type, gpio, value } = x.request.struct("virtio_gpio_request", REQUEST);
  const name = expect(x.notes, "type", TYPES, type) ?? "incomplete";
  const sends = type === 3 || type === 5 || type === 6;
  const sent = sends ? valueName(type, value) : undefined;
  const reply = x.reply.struct("virtio_gpio_response", { status: u8 });
  const status = outcome(x, "status", ["OK", "ERR"], reply.status);
  const answer = answerOf(x, type);
  const got = sends || status !== "OK" ? undefined : answer.answer as string | number | undefined;
  return decoded(
    "gpio",
    name,
    x,
    sentence(
      [name, type !== GET_LINE_NAMES && gpio !== undefined && `line ${gpio}`, sent],
      sentence([status, got]),
    ),
    {
      type: type === undefined ? undefined : name,
      gpio,
      value: sends ? sent : value,
      status,
      ...answer,
    },
  );
}

function answerOf(x: Exchange, type: number | undefined): Shown {
  if (type === undefined) return {};
  if (type === GET_LINE_NAMES) return { lineNames: x.pending ? undefined : lineNames(x) };
  const { value } = x.reply.struct("virtio_gpio_response", { value: u8 });
  return { answer: valueName(type, value) };
}

function valueName(
  type: number | undefined,
  value: number | undefined,
): string | number | undefined {
  return value === undefined ? undefined : nameOf(VALUES[type ?? 0] ?? {}, value);
}

/** Names end with a NUL each; a line without a name has an empty one. */
function lineNames(x: Exchange): string[] {
  const names = textOf(x.reply.bytes(1024)).split("\0").slice(0, -1);
  return bounded(names.length, (index) => names[index]);
}

/** 5.18.7: the device answers a buffer of the event queue when the line's interrupt fires. */
function decodeInterrupt(x: Exchange): DecodedRequest {
  const { gpio } = x.request.struct("virtio_gpio_irq_request", { gpio: u16 });
  const { status } = x.reply.struct("virtio_gpio_irq_response", { status: u8 });
  const result = outcome(x, "status", ["INVALID", "VALID"], status);
  const words = ["interrupt", gpio !== undefined && `line ${gpio}`];
  return decoded("gpio", "interrupt", x, sentence(words, result), { gpio, status: result });
}

/** GPIO device (id 41). */
export const gpio: DeviceType = {
  id: 41,
  name: "gpio",
  features: { 0: "IRQ" },
  config: { ngpio: u16, padding: pad(2), gpioNamesSize: u32 },
  queueName: QUEUE_NAMERS.gpio,
  decode,
};
