/**
 * Attachment by a layout that changes while we look: a tap's or a sink's.
 *
 * fd numbers in such a layout are those of the process that publishes it, and it may close one and
 * open another between our reading the number and opening it. So after everything is open the layout
 * is read again, and if its memory is another by then, all begins anew.
 *
 * @module
 */
import { Fd } from "../../ffi/fd.ts";
import { Mapping } from "../../ffi/mapping.ts";
import type { Sys } from "../../ffi/sys.ts";
import { SourceError } from "../errors.ts";
import type { Device } from "../guest/guest.ts";
import { isXen, type LayoutMemory, parseLayout } from "./layout.ts";
import { attachLayout, type OpenBytes } from "./layout_memory.ts";
import { openProcessBytes, untrustedOwner } from "./proc_memory.ts";
import { publishedField } from "./published.ts";
import type { Attachment, AttachOptions, Target } from "./source.ts";
import { openXenBytes } from "./xen_regions.ts";

/** Where the layout comes from. */
export interface LiveOptions {
  readonly target: Target;
  readonly options: AttachOptions;
  /** The process whose fds the layout numbers. */
  readonly pid: number;
  /** The layout as it is now. Throws SourceError where it is gone, or has no memory yet. */
  readonly read: () => string;
  /** Closed with the attachment, after its memory. */
  readonly owned: AsyncDisposable | null;
}

/** How often a layout may change while it is opened. */
const TRIES = 20;

/** Attaches. Throws what `read` throws, ProtocolError for a wrong layout, SourceError. */
export async function attachLive(live: LiveOptions): Promise<Attachment> {
  await using undo = new AsyncDisposableStack();
  if (live.owned !== null) undo.use(live.owned);
  let current = await settled(live);
  let before: Attachment | null = null;
  const forget = async () => {
    const old = before;
    before = null;
    await old?.[Symbol.asyncDispose]();
  };
  undo.use({ [Symbol.asyncDispose]: () => current.attachment[Symbol.asyncDispose]() });
  undo.defer(forget);
  const resources = undo.move();
  return {
    target: live.target,
    get memory() {
      return current.attachment.memory;
    },
    get writable() {
      return current.attachment.writable;
    },
    get devices() {
      return current.attachment.devices.map((device) => named(device, current.socket));
    },
    get note() {
      return current.note;
    },
    async refresh() {
      await forget();
      if (memoryOf(live.read()) === current.memory) return await current.attachment.refresh();
      const next = await settled(live);
      // Views of the old memory stay valid until the next refresh. Its guest may be gone: whatever
      // maps a file keeps all of its pages.
      before = current.attachment;
      current = next;
    },
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

interface Opened {
  readonly attachment: Attachment;
  /** What was opened: the layout's memory, as text. */
  readonly memory: string;
  readonly socket: string;
  readonly note: string;
}

/** Opens what the layout says, until it still says so afterwards. */
async function settled(live: LiveOptions): Promise<Opened> {
  for (let tries = 0; tries < TRIES; tries++) {
    const text = live.read();
    const attachment = attempt(() => attachText(live), live, text);
    if (attachment === null) continue;
    if (memoryOf(live.read()) === memoryOf(text)) return opened(attachment, text);
    await attachment[Symbol.asyncDispose]();
  }
  const remedy = "try again when the front-end is done with its set-up";
  throw new SourceError("vhost", "open memory", "busy", "memory changes all the time", remedy);
}

/** A failure counts only where the layout did not change meanwhile. */
function attempt(run: () => Attachment, live: LiveOptions, text: string): Attachment | null {
  try {
    return run();
  } catch (error) {
    if (memoryOf(live.read()) !== memoryOf(text)) return null;
    throw error;
  }
}

function attachText(live: LiveOptions): Attachment {
  const { target, options, pid } = live;
  const load = () => parseLayout(live.read());
  const open = openFds(live);
  return attachLayout({ target, write: options.write, name: target.text, pid, load, open });
}

function opened(attachment: Attachment, text: string): Opened {
  const published = { fd: -1, text };
  const socket = publishedField(published, "socket");
  const memory = memoryOf(text);
  const note = attachment.devices.map((device) => device.note).find((line) => line !== "") ?? "";
  return { attachment, memory, socket: typeof socket === "string" ? socket : "", note };
}

/** The layout's memory and whose it is, as text that changes when either does. */
function memoryOf(text: string): string {
  const published = { fd: -1, text };
  const fields = ["connection", "memory"].map((name) => publishedField(published, name));
  return JSON.stringify(fields);
}

function named(device: Device, socket: string): Device {
  return { ...device, vhost: "vhost-user", bus: { kind: "vhost-user", id: socket } };
}

/**
 * Maps an fd of the process: by /proc/PID/fd, or where the file's own mode keeps us out, by taking
 * the fd as it is.
 */
function openFds({ options, pid }: LiveOptions): OpenBytes {
  const { sys, write } = options;
  const byPath = openProcessBytes({ ...options, pid, layout: null });
  const byXen = openXenBytes(sys, write);
  return (entry, resources) => {
    if (isXen(entry.bytes)) {
      checkXenOwner(sys, pid, entry);
      return byXen(entry, resources);
    }
    try {
      return byPath(entry, resources);
    } catch (error) {
      const refusal = error instanceof SourceError && error.kind === "permission";
      if (!refusal || entry.bytes.kind !== "fd") throw error;
      options.log(`${entry.path}: ${error.message}; taking the fd instead`);
      return resources.use(takeFd(sys, pid, entry.bytes.fd, entry, write));
    }
  };
}

/** Xen's devices are root's: who is not root may not have us map a domain's memory for it. */
function checkXenOwner(sys: Sys, pid: number, { path }: LayoutMemory): void {
  const owner = untrustedOwner(sys, pid);
  if (owner === null) return;
  const text = `${path} of user ${owner}'s process ${pid} is memory of a Xen domain`;
  const remedy = "run the tap as root";
  throw new SourceError("vhost", "open memory", "permission", text, remedy);
}

function takeFd(
  sys: Sys,
  pid: number,
  number: number,
  entry: LayoutMemory,
  writable: boolean,
): Mapping {
  using process = new Fd(sys, sys.pidfdOpen(pid));
  const fd = new Fd(sys, sys.pidfdGetfd(process.number, number));
  const length = entry.offset + Number(entry.size);
  return Mapping.open({ sys, fd, length, writable, label: `fd ${number} of process ${pid}` });
}
