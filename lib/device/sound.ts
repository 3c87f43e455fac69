/**
 * Sound device: virtio 1.4, 5.14.6.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import { decoded, type Exchange, exchange, expect, outcome, plural, sentence } from "./exchange.ts";
import {
  flags,
  type Layout,
  named,
  type Names,
  pad,
  show,
  type Shown,
  u16,
  u32,
  u8,
  when,
} from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

const PCM_FEATURES: Names = [
  "SHMEM_HOST",
  "SHMEM_GUEST",
  "MSG_POLLING",
  "EVT_SHMEM_PERIODS",
  "EVT_XRUNS",
];
const FORMATS: Names =
  ("IMA_ADPCM MU_LAW A_LAW S8 U8 S16 U16 S18_3 U18_3 S20_3 U20_3 S24_3 U24_3 S20 U20 S24 U24 S32 " +
    "U32 FLOAT FLOAT64 DSD_U8 DSD_U16 DSD_U32 IEC958_SUBFRAME").split(" ");
const RATES: Names =
  ("5512 8000 11025 16000 22050 32000 44100 48000 64000 88200 96000 176400 192000 384000 12000 " +
    "24000").split(" ");

const QUERY = { startId: u32, count: u32, size: u32 };
const JACK_REMAP = { jackId: u32, association: u32, sequence: u32 };
const STREAM = { streamId: u32 };
const CONTROL = { controlId: u32 };
const PARAMS = {
  streamId: u32,
  bufferBytes: u32,
  periodBytes: u32,
  features: flags(u32, PCM_FEATURES),
  channels: u8,
  format: named(u8, FORMATS),
  rate: named(u8, RATES),
  padding: pad(1),
};

/** Control requests: what follows `struct virtio_snd_hdr`. */
const REQUESTS: { readonly [code: number]: readonly [name: string, layout: Layout] } = {
  0x001: ["JACK_INFO", QUERY],
  0x002: ["JACK_REMAP", JACK_REMAP],
  0x100: ["PCM_INFO", QUERY],
  0x101: ["PCM_SET_PARAMS", PARAMS],
  0x102: ["PCM_PREPARE", STREAM],
  0x103: ["PCM_RELEASE", STREAM],
  0x104: ["PCM_START", STREAM],
  0x105: ["PCM_STOP", STREAM],
  0x200: ["CHMAP_INFO", QUERY],
  0x300: ["CTL_INFO", QUERY],
  0x301: ["CTL_ENUM_ITEMS", CONTROL],
  0x302: ["CTL_READ", CONTROL],
  0x303: ["CTL_WRITE", CONTROL],
  0x304: ["CTL_TLV_READ", CONTROL],
  0x305: ["CTL_TLV_WRITE", CONTROL],
  0x306: ["CTL_TLV_COMMAND", CONTROL],
};
const NAMES: Names = Object.fromEntries(
  Object.entries(REQUESTS).map(([code, [name]]) => [code, name]),
);

const STATUS: Names = { 0x8000: "OK", 0x8001: "BAD_MSG", 0x8002: "NOT_SUPP", 0x8003: "IO_ERR" };

const EVENTS: Names = {
  0x1000: "JACK_CONNECTED",
  0x1001: "JACK_DISCONNECTED",
  0x1100: "PCM_PERIOD_ELAPSED",
  0x1101: "PCM_XRUN",
  0x1200: "CTL_NOTIFY",
};
const CTL_NOTIFY = 0x1200;
const CTL_EVENT = { controlId: u16, mask: flags(u16, ["VALUE", "INFO", "TLV"]) };

/** `struct virtio_snd_pcm_status`, at the end of the writable part of both I/O queues. */
const PCM_STATUS = { status: u32, latencyBytes: u32 };
const PCM_STATUS_SIZE = 8;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest | null {
  const x = exchange(bytes, context);
  const roles = [decodeControl, decodeEvent, decodeOutput, decodeInput];
  return roles[context.queue]?.(x) ?? null;
}

function decodeControl(x: Exchange): DecodedRequest {
  const { code } = x.request.struct("virtio_snd_hdr", { code: u32 });
  const name = expect(x.notes, "code", NAMES, code) ?? "incomplete";
  const layout = REQUESTS[code ?? 0]?.[1] ?? {};
  const body = show(layout, x.request.struct(`virtio_snd ${name}`, layout));
  const reply = x.reply.struct("virtio_snd_hdr", { status: u32 });
  const status = outcome(x, "status", STATUS, reply.status);
  return decoded("sound", name, x, sentence([name, ...wordsOf(body)], status), {
    code: code === undefined ? undefined : name,
    ...body,
    status,
    infoLength: Math.max(0, x.writable - 4),
  });
}

function wordsOf(body: Shown): string[] {
  const { streamId, controlId, jackId, startId, count, format, rate, channels } = body;
  return [
    streamId === undefined ? "" : `stream ${streamId}`,
    controlId === undefined ? "" : `control ${controlId}`,
    jackId === undefined ? "" : `jack ${jackId}`,
    count === undefined ? "" : `${count} from ${startId}`,
    rate === undefined ? "" : `${format} ${rate} Hz ${channels} channels`,
  ];
}

function decodeEvent(x: Exchange): DecodedRequest {
  if (x.pending) {
    return decoded("sound", "event", x, `event buffer of ${plural(x.writable, "byte")}`, {
      bufferLength: x.writable,
    });
  }
  const { code } = x.reply.struct("virtio_snd_hdr", { code: u32 });
  const name = expect(x.notes, "event", EVENTS, code) ?? "incomplete";
  const layout: Layout = code === CTL_NOTIFY ? CTL_EVENT : { data: u32 };
  const body = show(layout, x.reply.struct("virtio_snd_event", layout));
  const words = [name, body.data === undefined ? "" : `${body.data}`];
  return decoded("sound", name, x, sentence(words), {
    code: code === undefined ? undefined : name,
    ...body,
  });
}

function decodeOutput(x: Exchange): DecodedRequest {
  return decodeTransfer(x, "tx", Math.max(0, x.readable - 4));
}

function decodeInput(x: Exchange): DecodedRequest {
  return decodeTransfer(x, "rx", Math.max(0, x.writable - PCM_STATUS_SIZE));
}

function decodeTransfer(x: Exchange, type: string, dataLength: number): DecodedRequest {
  const { streamId } = x.request.struct("virtio_snd_pcm_xfer", STREAM);
  const reply = x.tail(PCM_STATUS_SIZE).struct("virtio_snd_pcm_status", PCM_STATUS);
  const status = outcome(x, "status", STATUS, reply.status);
  const words = [type, streamId !== undefined && `stream ${streamId}`, plural(dataLength, "byte")];
  return decoded("sound", type, x, sentence(words, status), {
    streamId,
    dataLength,
    status,
    latencyBytes: reply.latencyBytes,
  });
}

/** Sound device (id 25). */
export const sound: DeviceType = {
  id: 25,
  name: "sound",
  features: { 0: "CTLS" },
  config: { jacks: u32, streams: u32, chmaps: u32, controls: when(0, u32) },
  queueName: QUEUE_NAMERS.sound,
  decode,
};
