/**
 * Console device: virtio 1.4, 5.3.6. Data queues carry bytes, the control queues messages about ports.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, type Exchange, exchange, expect, plural, sentence } from "./exchange.ts";
import { has } from "./features.ts";
import type { Fields } from "./fields.ts";
import { type Names, show, type Shown, textOf, u16, u32, when } from "./kind.ts";
import { type ConsoleQueueRole, consoleQueueRole, QUEUE_NAMERS } from "./queue_roles.ts";

/** Bytes of a data buffer or of a port's name that are shown. */
const PREVIEW = 64;

const MULTIPORT = 1;

/** `struct virtio_console_control`. */
const CONTROL = { id: u32, event: u16, value: u16 };

const EVENTS: Names = [
  "DEVICE_READY",
  "DEVICE_ADD",
  "DEVICE_REMOVE",
  "PORT_READY",
  "CONSOLE_PORT",
  "RESIZE",
  "PORT_OPEN",
  "PORT_NAME",
];
const RESIZE = 5;
const PORT_NAME = 7;

/** 5.3.6.2 has columns first; Linux read rows first until 2025. */
const SIZE = { cols: u16, rows: u16 };

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const role = consoleQueueRole(context.queue);
  if (role.port !== null) return decodeData(x, role);
  if (context.features !== 0n && !has(context.features, MULTIPORT)) {
    x.notes.push("a control queue without MULTIPORT");
  }
  return decodeControl(x, role);
}

function decodeData(x: Exchange, { direction, port }: ConsoleQueueRole): DecodedRequest {
  if (direction === "rx" && x.pending) return emptyBuffer(x, direction, port);
  const length = direction === "rx" ? x.written : x.readable;
  const stream = direction === "rx" ? x.reply : x.request;
  const text = textOf(stream.bytes(Math.min(PREVIEW, length)));
  const more = length > PREVIEW ? "…" : "";
  const summary = sentence([`${direction} port ${port}, ${plural(length, "byte")}`], `"${text}"`) +
    more;
  return decoded("console", direction, x, summary, { port, length, text });
}

function emptyBuffer(x: Exchange, direction: string, port: number | null): DecodedRequest {
  const summary = `receive buffer of ${plural(x.writable, "byte")}`;
  return decoded("console", direction, x, summary, { port, bufferLength: x.writable });
}

function decodeControl(x: Exchange, { direction }: ConsoleQueueRole): DecodedRequest {
  if (direction === "rx" && x.pending) return emptyBuffer(x, "ctrl-rx", null);
  const stream = direction === "rx" ? x.reply : x.request;
  const control = stream.struct("virtio_console_control", CONTROL);
  const name = expect(x.notes, "event", EVENTS, control.event) ?? "incomplete";
  const extra = extraOf(x, stream, control.event);
  const words = [
    name,
    control.id !== undefined && `port ${control.id}`,
    control.value !== undefined && `value ${control.value}`,
    ...Object.entries(extra).map(([key, value]) => `${key} ${value}`),
  ];
  return decoded("console", name, x, sentence(words), {
    ...show(CONTROL, control),
    event: control.event === undefined ? undefined : name,
    ...extra,
  });
}

function extraOf(x: Exchange, stream: Fields, event: number | undefined): Shown {
  if (event === PORT_NAME) return { name: textOf(stream.bytes(PREVIEW)) };
  if (event !== RESIZE) return {};
  x.notes.push("Linux before 2025 takes the first number of a resize as rows");
  return show(SIZE, stream.struct("virtio_console_resize", SIZE));
}

/** Console device (id 3). */
export const console: DeviceType = {
  id: 3,
  name: "console",
  features: { 0: "SIZE", 1: "MULTIPORT", 2: "EMERG_WRITE" },
  config: {
    cols: when(0, u16),
    rows: when(0, u16),
    maxNrPorts: when(1, u32),
    emergWr: when(2, u32),
  },
  queueName: QUEUE_NAMERS.console,
  decode,
};
