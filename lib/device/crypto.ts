/**
 * Crypto device: virtio 1.4, 5.9.9. Keys, vectors and data are secrets: only their lengths are shown.
 *
 * @module
 */
import type { ChainBytes, DecodeContext, DecodedRequest, DeviceType } from "./decoder.ts";
import {
  algorithms,
  CHAINING,
  CONTROL_CODES,
  DATA_CODES,
  OPERATIONS,
  SERVICES,
  SESSION_BODIES,
  SYMMETRIC,
  SYMMETRIC_OFFSET,
} from "./crypto_codes.ts";
import {
  decoded,
  type Exchange,
  exchange,
  expect,
  outcome,
  sentence,
  statusByte,
} from "./exchange.ts";
import { has } from "./features.ts";
import { flags, type Layout, nameOf, pad, show, type Shown, u32, u64, u8 } from "./kind.ts";
import { QUEUE_NAMERS } from "./queue_roles.ts";

/** `struct virtio_crypto_op_header` and `struct virtio_crypto_ctrl_header`. */
const OP_HEADER = { opcode: u32, algo: u32, sessionId: u64, flag: u32, padding: pad(4) };
const CTRL_HEADER = { opcode: u32, algo: u32, flag: u32, reserved: pad(4) };

/** `struct virtio_crypto_create_session_input`. */
const SESSION_REPLY = { sessionId: u64, status: u32, padding: pad(4) };

const STATUS = [
  "OK",
  "ERR",
  "BADMSG",
  "NOTSUPP",
  "INVSESS",
  "NOSPC",
  "KEY_REJECTED",
  "IPSEC_SA_SOFT_EXPIRY",
];

/** With a STATELESS_MODE feature, a request without a session has another fixed part. */
const STATELESS = [1, 2, 3, 4, 5];

/** Readable bytes before keys, vectors and data: header and fixed part. */
const FIXED_SIZE = 72;

function decode(bytes: ChainBytes, context: DecodeContext): DecodedRequest {
  const x = exchange(bytes, context);
  const { opcode } = x.request.struct("virtio_crypto header", { opcode: u32 });
  if (opcode === undefined) return decoded("crypto", "incomplete", x, "incomplete", {});
  x.request.seek(0);
  // Which queue is the control queue is in the configuration; the codes of both kinds differ anyway.
  if (opcode in CONTROL_CODES) return decodeControl(x, opcode);
  return decodeData(x, opcode);
}

function decodeControl(x: Exchange, opcode: number): DecodedRequest {
  const header = x.request.struct("virtio_crypto_ctrl_header", CTRL_HEADER);
  const name = CONTROL_CODES[opcode];
  const creates = name.endsWith("CREATE_SESSION");
  const body = creates ? sessionOf(x, opcode >>> 8) : destroyedSession(x);
  const reply = creates ? createdSession(x) : { status: statusByte(x, STATUS, u8) };
  const algorithm = creates && header.algo !== undefined
    ? algorithms(opcode >>> 8, header.algo)
    : undefined;
  const words = [name, algorithm, reply.sessionId ?? body.sessionId];
  return decoded("crypto", name, x, sentence(words as string[], reply.status as string), {
    ...show(CTRL_HEADER, header),
    opcode: name,
    algo: algorithm,
    ...body,
    variableLength: variableLength(x, opcode),
    ...reply,
  });
}

/** The service decides on the fixed part; cipher sessions say behind it what they are. */
function sessionOf(x: Exchange, service: number): Shown {
  if (service !== 0) return sessionPart(x, SERVICES[service], SESSION_BODIES[service]);
  const start = x.request.offset;
  const behind = x.request.part(x.request.rest);
  behind.seek(SYMMETRIC_OFFSET - start);
  const symmetric = behind.struct("virtio_crypto_sym_create_session_flf", SYMMETRIC);
  x.request.seek(start);
  const layout = symmetric.opType === 2 ? CHAINING : SESSION_BODIES[service];
  return { ...show(SYMMETRIC, symmetric), ...sessionPart(x, SERVICES[service], layout) };
}

function sessionPart(x: Exchange, service: string, layout: Layout): Shown {
  return show(layout, x.request.struct(`${service} session`, layout));
}

/** Bytes behind the fixed part: with REVISION_1 only the cipher's has the legacy size (5.9.9.2). */
function variableLength(x: Exchange, opcode: number): number | undefined {
  const fixed = opcode < 0x100 || !has(x.context.features, 0);
  return fixed ? Math.max(0, x.readable - FIXED_SIZE) : undefined;
}

function destroyedSession(x: Exchange): Shown {
  const layout = { sessionId: u64 };
  return show(layout, x.request.struct("virtio_crypto_destroy_session_flf", layout));
}

function createdSession(x: Exchange): Shown {
  const reply = x.reply.struct("virtio_crypto_create_session_input", SESSION_REPLY);
  const status = outcome(x, "status", STATUS, reply.status);
  const known = reply.sessionId !== undefined && reply.status === 0;
  return { sessionId: known ? u64.show(reply.sessionId!) : undefined, status };
}

function decodeData(x: Exchange, opcode: number): DecodedRequest {
  const layout = { ...OP_HEADER, flag: flags(u32, ["SESSION_MODE"]) };
  const header = x.request.struct("virtio_crypto_op_header", layout);
  const name = expect(x.notes, "opcode", DATA_CODES, opcode) ?? "incomplete";
  const service = opcode >>> 8;
  const body = operationOf(x, service, header.flag);
  const status = statusByte(x, STATUS, u8);
  const session = header.sessionId === undefined ? "" : `session ${u64.show(header.sessionId)}`;
  const length = body.srcDataLen === undefined ? "" : `${body.srcDataLen} bytes`;
  return decoded("crypto", name, x, sentence([name, session, length], status), {
    ...show(layout, header),
    opcode: name,
    algo: header.algo === undefined ? undefined : algorithms(service, header.algo),
    ...body,
    variableLength: variableLength(x, opcode),
    resultLength: Math.max(0, x.writable - 1),
    status,
  });
}

function operationOf(x: Exchange, service: number, flag = 0): Shown {
  const session = (flag & 1) === 1;
  if (!session && STATELESS.some((bit) => has(x.context.features, bit))) {
    x.notes.push("stateless mode: lengths are not decoded");
    return {};
  }
  const layout = OPERATIONS[service];
  if (layout === undefined) return {};
  return show(layout, x.request.struct(`${nameOf(SERVICES, service)} data`, layout));
}

/** Crypto device (id 20). */
export const crypto: DeviceType = {
  id: 20,
  name: "crypto",
  features: {
    0: "REVISION_1",
    1: "CIPHER_STATELESS_MODE",
    2: "HASH_STATELESS_MODE",
    3: "MAC_STATELESS_MODE",
    4: "AEAD_STATELESS_MODE",
    5: "AKCIPHER_STATELESS_MODE",
  },
  config: {
    status: flags(u32, ["HW_READY"]),
    maxDataqueues: u32,
    cryptoServices: flags(u32, SERVICES),
    cipherAlgoL: u32,
    cipherAlgoH: u32,
    hashAlgo: u32,
    macAlgoL: u32,
    macAlgoH: u32,
    aeadAlgo: u32,
    maxCipherKeyLen: u32,
    maxAuthKeyLen: u32,
    akcipherAlgo: u32,
    maxSize: u64,
  },
  queueName: QUEUE_NAMERS.crypto,
  decode,
};
