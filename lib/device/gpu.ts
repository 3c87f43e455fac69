/**
 * GPU device: virtio 1.4, 5.7.6. All requests and responses begin with the same header.
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
  plural,
  sentence,
} from "./exchange.ts";
import { COMMANDS, MEMORY_ENTRY, RESPONSES } from "./gpu_commands.ts";
import { flags, pad, show, type Shown, u32, u64, u8, type Values, when } from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

/** `struct virtio_gpu_ctrl_hdr`. */
const HEADER = {
  type: u32,
  flags: flags(u32, ["FENCE", "INFO_RING_IDX"]),
  fenceId: u64,
  ctxId: u32,
  ringIdx: u8,
  padding: pad(3),
};

const ATTACH_BACKING = 0x106;
const CREATE_BLOB = 0x10c;
const SUBMIT_3D = 0x207;

const names = {
  commands: Object.fromEntries(Object.entries(COMMANDS).map(([code, [name]]) => [code, name])),
  responses: Object.fromEntries(Object.entries(RESPONSES).map(([code, [name]]) => [code, name])),
};

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const header = x.request.struct("virtio_gpu_ctrl_hdr", HEADER);
  const { type } = header;
  const name = expect(x.notes, "command", names.commands, type) ?? "incomplete";
  const layout = COMMANDS[type ?? 0]?.[1] ?? {};
  const body = {
    ...show(layout, x.request.struct(`virtio_gpu ${name}`, layout)),
    ...tailOf(x, type),
  };
  const response = x.writable === 0 && x.context.queue === 1 ? null : responseOf(x);
  const words = [name, ...headerWords(header), ...bodyWords(body)];
  return decoded("gpu", name, x, sentence(words, response?.text), {
    ...show(HEADER, header),
    type: type === undefined ? undefined : name,
    ...body,
    response: response?.text,
    ...response?.fields,
  });
}

/** What follows a command's struct: a list of guest memory, or a stream for the renderer. */
function tailOf(x: Exchange, type: number | undefined): Shown {
  const size = 16;
  if (type === SUBMIT_3D) return { commandLength: x.request.rest };
  if (type !== ATTACH_BACKING && type !== CREATE_BLOB) return {};
  const entries = bounded(Math.floor(x.request.rest / size), () => {
    const entry = x.request.struct("virtio_gpu_mem_entry", MEMORY_ENTRY);
    return entry.length === undefined ? undefined : show(MEMORY_ENTRY, entry);
  });
  return { entries };
}

function headerWords(header: Values<typeof HEADER>): string[] {
  const fenced = ((header.flags ?? 0) & 1) === 1 && header.fenceId !== undefined;
  return [
    header.ctxId ? `context ${header.ctxId}` : "",
    fenced ? `fence ${header.fenceId}` : "",
  ];
}

/** Resource, rectangle and size are what an operator looks for. */
function bodyWords(body: Shown): string[] {
  const { resourceId, r, width, height, commandLength, nrEntries } = body;
  const rectangle = r as { x: number; y: number; width: number; height: number } | undefined;
  const area = rectangle && `${rectangle.width}x${rectangle.height}+${rectangle.x}+${rectangle.y}`;
  return [
    resourceId === undefined ? "" : `resource ${resourceId}`,
    area ?? (height === undefined ? "" : `${width}x${height}`),
    commandLength === undefined ? "" : plural(commandLength as number, "byte"),
    nrEntries === undefined ? "" : `${nrEntries} entries`,
  ];
}

function responseOf(x: Exchange): { text: string | number; fields: Shown } {
  const header = x.reply.struct("virtio_gpu_ctrl_hdr", HEADER);
  const text = outcome(x, "response", names.responses, header.type);
  const layout = RESPONSES[header.type ?? 0]?.[1];
  if (layout !== undefined) {
    return { text, fields: show(layout, x.reply.struct(`virtio_gpu ${text}`, layout)) };
  }
  return { text, fields: text === "OK_DISPLAY_INFO" ? { scanouts: scanoutsOf(x) } : {} };
}

const DISPLAY = { x: u32, y: u32, width: u32, height: u32, enabled: u32, flags: u32 };
const SCANOUTS = 16;

/** The enabled ones of `pmodes`. */
function scanoutsOf(x: Exchange): Shown[string] {
  const scanouts: { [field: string]: Shown[string] }[] = [];
  for (let index = 0; index < SCANOUTS; index++) {
    const display = x.reply.struct("virtio_gpu_display_one", DISPLAY);
    if (display.enabled) scanouts.push({ index, ...show(DISPLAY, display) });
  }
  return scanouts as Shown[string];
}

/** GPU device (id 16). */
export const gpu: DeviceType = {
  id: 16,
  name: "gpu",
  features: {
    0: "VIRGL",
    1: "EDID",
    2: "RESOURCE_UUID",
    3: "RESOURCE_BLOB",
    4: "CONTEXT_INIT",
    5: "BLOB_ALIGNMENT",
  },
  config: {
    eventsRead: flags(u32, ["DISPLAY"]),
    eventsClear: u32,
    numScanouts: u32,
    numCapsets: u32,
    blobAlignment: when(5, u32),
  },
  queueName: QUEUE_NAMERS.gpu,
  decode,
};
