/**
 * Which requests wait for an answer, so that a front-end that asks without end and never reads can
 * be told from one that is busy.
 *
 * @module
 */
import { ProtocolError } from "../errors.ts";
import {
  hasProtocolFeature,
  type Message,
  needsReply,
  requestSpec,
} from "../wire/vhost_user/vhost_user.ts";

/** Unanswered requests that a sound front-end never has: QEMU asks one after the other. */
export const UNANSWERED_LIMIT = 1024;

/** Counts the requests of one channel that await an answer. */
export interface Answers {
  readonly waiting: number;
  /** Throws ProtocolError where more than {@linkcode UNANSWERED_LIMIT} wait. */
  note(message: Message, protocolFeatures: bigint | null): void;
}

/** Nothing is waited for. */
export function answers(): Answers {
  let waiting: number[] = [];
  return {
    get waiting(): number {
      return waiting.length;
    },
    note(message, protocolFeatures) {
      if (message.reply) {
        // Answers come in order: those before had none to come.
        const index = waiting.indexOf(message.request);
        if (index >= 0) waiting = waiting.slice(index + 1);
      } else if (expectsAnswer(message, protocolFeatures)) waiting.push(message.request);
      if (waiting.length > UNANSWERED_LIMIT) throw tooMany(message);
    },
  };
}

/** Whether the receiver will answer: always, or because it was asked to and can. */
export function expectsAnswer(message: Message, protocolFeatures: bigint | null): boolean {
  if (message.payload.kind === "custom-mmap") return false;
  if (requestSpec(message.origin, message.request)?.answered) return true;
  return needsReply(message.flags) && hasProtocolFeature(protocolFeatures, "REPLY_ACK");
}

function tooMany({ name }: Message): ProtocolError {
  const wanted = `at most ${UNANSWERED_LIMIT} requests without reading an answer`;
  return new ProtocolError("vhost-user", name, wanted, "one more");
}
