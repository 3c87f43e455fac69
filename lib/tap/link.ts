/**
 * Two ports joined: what one gives, the other gets, each message in one piece with its fds. A side
 * whose peer does not read is not read from either, so at most one message a way waits here.
 *
 * ```text
 *   peer 0 ──► port 0 ──frame──► port 1 ──► peer 1
 *                 ▲   pause  ◄── busy
 *                 └── resume ◄── drained
 * ```
 *
 * @module
 */
import { closeAll } from "../../ffi/fd.ts";
import type { ProtocolError } from "../errors.ts";
import type { Frame } from "../wire/vhost_user/vhost_user.ts";
import { openPort, type Port, type PortContext } from "./port.ts";

/** One of the two sides. */
export type LinkSide = 0 | 1;

/** What becomes of a frame's fds. */
export interface Passing {
  /** fds to pass on, in order. */
  readonly fds: readonly number[];
  /** fds to close once the message is sent; may hold those passed on, and others. */
  readonly spent: readonly number[];
}

/** What a link tells. */
export interface LinkHandlers {
  /** A message from `side`, before it is passed on. Throws ProtocolError to refuse it (it then has
   * closed the frame's fds); the fds are the handler's unless it gives them back as `spent`. */
  frame(side: LinkSide, frame: Frame): Passing;
  /** Some messages were passed on. */
  batch?(): void;
  /** `side` left or broke the protocol. Called once, when the link has closed itself. */
  end(side: LinkSide, reason: string, error: ProtocolError | null): void;
}

/** See the module. */
export interface Link extends Disposable {
  /** Messages passed on from each side. */
  readonly passed: readonly [number, number];
  /** fds of messages that a side has not taken yet: whoever else holds them must not close them. */
  readonly waiting: readonly number[];
  /** Closes both sockets. `end` is not called. */
  close(): void;
}

/** Takes over both sockets and begins to pass on. */
export function openLink(
  context: PortContext,
  fds: readonly [number, number],
  handlers: LinkHandlers,
): Link {
  let closed = false;
  let leaving: { side: LinkSide; reason: string; timer: ReturnType<typeof setTimeout> } | null =
    null;
  const ports: readonly [Port, Port] = [open(0), open(1)];

  function open(side: LinkSide): Port {
    return openPort(context, fds[side], {
      frame: (frame) => pass(side, frame),
      batch: () => handlers.batch?.(),
      drained: () => drained(side),
      end: (reason, error) => ended(side, reason, error),
    });
  }

  function pass(side: LinkSide, frame: Frame): void {
    const target = ports[other(side)];
    const { fds, spent } = handlers.frame(side, frame);
    if (closed) return closeAll(context.sys, spent);
    target.send(frame.bytes, fds, spent);
    if (!closed && target.busy) ports[side].pause();
  }

  function drained(side: LinkSide): void {
    if (leaving !== null) finish(leaving.side, leaving.reason, null);
    else ports[other(side)].resume();
  }

  /** What a peer said before it left is still delivered, if the other side reads it in time. */
  function ended(side: LinkSide, reason: string, error: ProtocolError | null): void {
    if (error !== null || leaving !== null || !ports[other(side)].busy) {
      return finish(side, reason, error);
    }
    const timer = setTimeout(() => finish(side, reason, null), context.stallMs);
    leaving = { side, reason, timer };
  }

  function finish(side: LinkSide, reason: string, error: ProtocolError | null): void {
    if (closed) return;
    const cause = leaving ?? { side, reason };
    close();
    handlers.end(cause.side, cause.reason, error);
  }

  function close(): void {
    closed = true;
    clearTimeout(leaving?.timer);
    ports.forEach((port) => port.close());
  }

  ports.forEach((port) => port.start());
  return {
    get passed(): readonly [number, number] {
      return [ports[0].received, ports[1].received];
    },
    get waiting(): readonly number[] {
      return ports.flatMap((port) => port.waiting);
    },
    close,
    [Symbol.dispose]: close,
  };
}

function other(side: LinkSide): LinkSide {
  return side === 0 ? 1 : 0;
}
