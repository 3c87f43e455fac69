/**
 * `vhost:SOCKET` where nobody listens: we are the back-end, for as long as the attachment lives. What a
 * front-end tells is published, as a tap does, so that others find the sink and attach to it.
 *
 * @module
 */
import { isSyscallFailure, SourceError } from "../errors.ts";
import type { ConnectionState } from "../tap/connection.ts";
import { emptyLayout } from "../tap/layout.ts";
import { type Sink, startSink } from "../tap/sink.ts";
import { type Publication, publication } from "./published.ts";
import type { Attachment, AttachOptions, Target } from "./source.ts";
import { attachLive } from "./vhost_live.ts";

/**
 * Listens, and attaches once a front-end has sent memory and set a ring up. Until then it waits;
 * `options.signal` ends that. Throws SourceError and what `startSink` throws.
 */
export async function attachSink(target: Target, options: AttachOptions): Promise<Attachment> {
  const { sys, signal, log } = options;
  const ready = Promise.withResolvers<void>();
  await using undo = new AsyncDisposableStack();
  const published = undo.use(publication(sys));
  const sink = undo.use(startSink({
    sys,
    listen: target.what,
    log,
    changed(now) {
      publish(published, now, log);
      if (isReady(now.state)) ready.resolve();
    },
  }));
  publish(published, sink, log);
  const notice = options.notice ?? log;
  notice(`serving ${sink.socket} as a back-end that consumes nothing: waiting for a front-end`);
  const abort = () => ready.reject(stopped(target));
  signal?.addEventListener("abort", abort);
  undo.defer(() => signal?.removeEventListener("abort", abort));
  if (signal?.aborted) abort();
  await Promise.race([ready.promise, sink.done.then(() => Promise.reject(stopped(target)))]);
  const read = () => {
    if (sink.frontEnd === null) throw left(target);
    if (sink.state.memory.length === 0) throw noMemory(target);
    return JSON.stringify(sink.layout());
  };
  return await attachLive({ target, options, pid: sys.pid, read, owned: undo.move() });
}

/** A sink that can not publish still serves. */
function publish(published: Publication, sink: Sink, log: (line: string) => void): void {
  const { socket, frontEnd } = sink;
  const empty = () => emptyLayout({ kind: "sink", socket, peer: null });
  try {
    published.replace(frontEnd === null ? empty() : sink.layout());
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    log(`${socket} is not shown to other processes: ${error.message}`);
  }
}

function isReady({ memory, vrings, features }: ConnectionState): boolean {
  const usable = vrings.some(({ size, areas, started }) =>
    size !== null && areas !== null && started
  );
  return memory.length > 0 && features !== null && usable;
}

function stopped({ what }: Target): SourceError {
  const text = `stopped before a front-end had set up its rings on ${what}`;
  const remedy = "point a front-end at the socket, and let its driver start the device";
  return new SourceError("vhost", "serve", "failed", text, remedy);
}

function left({ what }: Target): SourceError {
  return new SourceError("vhost", "refresh", "not-found", `the front-end on ${what} has left`);
}

function noMemory({ what }: Target): SourceError {
  const text = `the front-end on ${what} has taken its memory back`;
  return new SourceError("vhost", "refresh", "not-found", text);
}
