/**
 * Input device: virtio 1.4, 5.8.6. Events are those of Linux evdev (`linux/input-event-codes.h`).
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, exchange, label, plural, sentence } from "./exchange.ts";
import {
  group,
  i32,
  type Layout,
  named,
  nameOf,
  type Names,
  pad,
  raw,
  text,
  u16,
  u8,
} from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

const TYPES: Names = {
  0x00: "SYN",
  0x01: "KEY",
  0x02: "REL",
  0x03: "ABS",
  0x04: "MSC",
  0x05: "SW",
  0x11: "LED",
  0x12: "SND",
  0x14: "REP",
  0x15: "FF",
  0x16: "PWR",
  0x17: "FF_STATUS",
};

/** Codes by event type; keys are too many to name but for the mouse's. */
const CODES: { readonly [type: number]: Names } = {
  0x00: ["SYN_REPORT", "SYN_CONFIG", "SYN_MT_REPORT", "SYN_DROPPED"],
  0x01: { 0x110: "BTN_LEFT", 0x111: "BTN_RIGHT", 0x112: "BTN_MIDDLE", 0x14a: "BTN_TOUCH" },
  0x02: { 0: "REL_X", 1: "REL_Y", 6: "REL_HWHEEL", 8: "REL_WHEEL", 11: "REL_WHEEL_HI_RES" },
  0x03: {
    0: "ABS_X",
    1: "ABS_Y",
    2: "ABS_Z",
    0x2f: "ABS_MT_SLOT",
    0x35: "ABS_MT_POSITION_X",
    0x36: "ABS_MT_POSITION_Y",
    0x39: "ABS_MT_TRACKING_ID",
  },
  0x04: { 4: "MSC_SCAN" },
  0x11: ["LED_NUML", "LED_CAPSL", "LED_SCROLLL"],
  0x14: ["REP_DELAY", "REP_PERIOD"],
};

/** `struct virtio_input_event`; evdev's values are signed. */
const EVENT = { type: u16, code: u16, value: i32 };

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const queue = context.queue === 1 ? "status" : "event";
  if (queue === "event" && x.pending) {
    const summary = `event buffer of ${plural(x.writable, "byte")}`;
    return decoded("input", queue, x, summary, { bufferLength: x.writable });
  }
  const stream = queue === "status" ? x.request : x.reply;
  const { type, code, value } = stream.struct("virtio_input_event", EVENT);
  const typeName = type === undefined ? "incomplete" : nameOf(TYPES, type);
  const codeName = code === undefined ? undefined : nameOf(CODES[type ?? -1] ?? {}, code);
  return decoded("input", typeName, x, sentence([queue, label(typeName), codeName, value]), {
    type: type === undefined ? undefined : typeName,
    code: codeName,
    value,
  });
}

const SELECT: Names = {
  0: "UNSET",
  1: "ID_NAME",
  2: "ID_SERIAL",
  3: "ID_DEVIDS",
  0x10: "PROP_BITS",
  0x11: "EV_BITS",
  0x12: "ABS_INFO",
};
const ABS_INFO = { min: i32, max: i32, fuzz: i32, flat: i32, res: i32 };
const DEVIDS = { bustype: u16, vendor: u16, product: u16, version: u16 };

/** 5.8.4: what the driver selected decides on the meaning of the first `size` bytes of `u`. */
function configOf(bytes: Uint8Array): Layout {
  const [select = 0, , size = 0] = bytes;
  const room = Math.max(0, Math.min(size, bytes.length - 8, 128));
  const unions: { readonly [select: number]: Layout } = {
    1: { string: text(room) },
    2: { string: text(room) },
    3: { ids: group(DEVIDS) },
    0x10: { bitmap: raw(room) },
    0x11: { bitmap: raw(room) },
    0x12: { abs: group(ABS_INFO) },
  };
  const head = { select: named(u8, SELECT), subsel: u8, size: u8, reserved: pad(5) };
  return { ...head, ...(size === 0 ? {} : unions[select]) };
}

/** Input device (id 18). */
export const input: DeviceType = {
  id: 18,
  name: "input",
  features: {},
  config: configOf,
  queueName: QUEUE_NAMERS.input,
  decode,
};
