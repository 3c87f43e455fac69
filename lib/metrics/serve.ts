/**
 * Serves a guest's metrics over HTTP until told to stop.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { osError } from "../os_error.ts";
import { type OpenOptions, openTarget } from "../source/attach.ts";
import type { Attachment } from "../source/source.ts";
import { followGuest } from "../watch/follow.ts";
import { AttachedGrants } from "./attached_grants.ts";
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

/**
 * Serves `/metrics` until `signal`. A guest that goes away is `up` 0 and looked for again. Throws
 * `SourceError` where the address can not be listened on.
 */
export async function serveMetrics(options: ServeOptions): Promise<void> {
  const exporter = new Exporter();
  exporter.down(options.target);
  const server = listen(options, exporter);
  try {
    const { target, interval, signal, open: { log = () => {}, sys } } = options;
    using grants = new AttachedGrants(sys, log);
    const open = () => openTarget(target, options.open);
    const onAttach = (attachment: Attachment) => grants.attach(attachment);
    const how = { open, onAttach, wait: "missing", interval, signal, log } as const;
    for await (const report of followGuest(how)) {
      exporter.update(target, report, report.guest.up ? grants.use() : null);
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
      ? `0.0.0.0:${port} and [::]:${port} are every address; one alone wants deno's --allow-net=${hostname}`
      : "choose another port";
    const why = osError(error)?.reason ?? (error as Error).message;
    const text = `${hostname}:${port}: ${why}`;
    throw new SourceError("metrics", "listen", permission ? "permission" : "busy", text, remedy);
  }
}

async function answer(request: Request, exporter: Exporter): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("metrics are to be read\n", {
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
  }
  if (new URL(request.url).pathname !== "/metrics") {
    return new Response("metrics are at /metrics\n", { status: 404 });
  }
  return new Response(await exporter.text(), { headers: { "content-type": exporter.contentType } });
}
