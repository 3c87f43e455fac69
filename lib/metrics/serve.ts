/**
 * Serves a guest's metrics over HTTP until told to stop.
 *
 * @module
 */
import { isSyscallFailure, SourceError } from "../errors.ts";
import { type OpenOptions, openTarget } from "../source/attach.ts";
import { follow } from "../watch/follow.ts";
import { Exporter } from "./exporter.ts";

/** Where to listen. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

/** What to serve. */
export interface ServeOptions {
  readonly target: string;
  readonly open: OpenOptions;
  /** Milliseconds between two updates. */
  readonly interval: number;
  readonly listen: ListenAddress;
  readonly signal: AbortSignal;
  /** Called once with the address that scrapes go to. */
  readonly listening: (url: string) => void;
}

/** Milliseconds before a guest that went away is looked for again. */
const RETRY = 2000;

/**
 * Serves `/metrics` until `signal`. A guest that goes away is `up` 0 and looked for again. Throws
 * `SourceError` where the address can not be listened on.
 */
export async function serveMetrics(options: ServeOptions): Promise<void> {
  const exporter = new Exporter();
  exporter.down(options.target);
  const server = listen(options, exporter);
  try {
    while (!options.signal.aborted) {
      await followOnce(options, exporter);
      exporter.down(options.target);
      await pause(RETRY, options.signal);
    }
  } finally {
    await server.shutdown();
  }
}

function listen({ listen, listening }: ServeOptions, exporter: Exporter): Deno.HttpServer {
  const { hostname, port } = listen;
  const onListen = (address: { hostname: string; port: number }) =>
    listening(
      `http://${
        address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname
      }:${address.port}/metrics`,
    );
  try {
    return Deno.serve({ hostname, port, onListen }, (request) => answer(request, exporter));
  } catch (error) {
    const permission = error instanceof Deno.errors.NotCapable ||
      error instanceof Deno.errors.PermissionDenied;
    const remedy = permission
      ? `addresses beyond loopback want deno's --allow-net=${hostname}`
      : "choose another port";
    const text = `${hostname}:${port}: ${(error as Error).message}`;
    throw new SourceError("metrics", "listen", permission ? "permission" : "busy", text, remedy);
  }
}

async function answer(request: Request, exporter: Exporter): Promise<Response> {
  if (new URL(request.url).pathname !== "/metrics") {
    return new Response("metrics are at /metrics\n", { status: 404 });
  }
  return new Response(await exporter.text(), { headers: { "content-type": exporter.contentType } });
}

/** Follows the guest until it goes away or the signal comes. */
async function followOnce(options: ServeOptions, exporter: Exporter): Promise<void> {
  const { target, open, interval, signal } = options;
  const log = open.log ?? (() => {});
  try {
    await using attachment = await openTarget(target, open);
    for await (const report of follow(attachment, { interval, signal, log })) {
      exporter.update(target, report);
    }
  } catch (error) {
    if (!(error instanceof SourceError) && !isSyscallFailure(error)) throw error;
    log(`${target}: ${error.message}`);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
  });
}
