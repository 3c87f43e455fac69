/**
 * `guestmem ivshmem-server`
 *
 * @module
 */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { type IvshmemServer, startIvshmemServer } from "../../lib/ivshmem/server.ts";
import { isBarSize } from "../../lib/wire/ivshmem/registers.ts";
import { MAX_VECTORS } from "../../lib/wire/ivshmem/message.ts";
import { type Context, interrupted, UsageError } from "../context.ts";
import { type CommandEvent, eventPrinter } from "../events.ts";
import { HELP } from "../options.ts";
import { parseCount, parseLength } from "../parse.ts";

const MANUAL = `
Serves the protocol that QEMU's ivshmem-doorbell device and guestmem's ivshmem: targets speak: all
clients get one shared memory, and each gets the doorbells of all others. Runs until Ctrl-C; clients
keep memory and doorbells then, but learn of no more peers.

  $ guestmem ivshmem-server /run/ivshmem.sock --size 4M --vectors 2
  serving 4194304 bytes and 2 vectors per peer at /run/ivshmem.sock
  peer 0 joined
  peer 1 joined

  $ qemu-system-x86_64 -chardev socket,path=/run/ivshmem.sock,id=iv \\
      -device ivshmem-doorbell,chardev=iv,vectors=2 ...
  $ guestmem kick ivshmem:/run/ivshmem.sock/0:1

The size must be a power of two of at least 4096 bytes, since each guest sees the memory as a PCI
BAR: QEMU ends with an error on any other. Without --shm the memory ends with the last who has it;
with it, /dev/shm/NAME stays, and is used again where it has that size.`;

/** `ivshmem-server` */
export function ivshmemServerCommand(context: Context): CommandUnknownOpts {
  return new Command("ivshmem-server")
    .summary("share memory and doorbells between guests")
    .description("Serve the ivshmem protocol: one shared memory, doorbells between all clients.")
    .argument("<socket>", "Unix socket to listen on; made with mode 0600, removed at the end")
    .addOption(
      new Option("--size <bytes>", "size of the memory; a power of two")
        .argParser(parseLength)
        .default(4n << 20n, "4M"),
    )
    .option("--vectors <count>", "doorbells per client", parseCount, 1)
    .option("--shm <name>", "keep the memory as /dev/shm/NAME; the default is a memfd")
    .option("--json", HELP.json + " lines, one per event")
    .option("--plain", HELP.plain)
    .addHelpText("after", MANUAL)
    .action(async (path, options) => {
      const size = checkedSize(options.size);
      const vectors = checkedVectors(options.vectors);
      const events = eventPrinter(context, "guestmem/ivshmem-server/1", options);
      const shmName = options.shm ?? null;
      const each = `${vectors} vector${vectors === 1 ? "" : "s"} per peer`;
      const text = `serving ${size} bytes and ${each} at ${path}`;
      await using server = startIvshmemServer({
        path,
        size,
        vectors,
        shmName,
        onEvent: (event) => events.say(told(event)),
      });
      events.say(told({ kind: "serving", peer: null, text }));
      await untilEnd(server, context.signal);
      await events.written();
    });
}

function checkedSize(size: bigint): number {
  const bytes = Number(size);
  if (isBarSize(bytes)) return bytes;
  throw new UsageError(
    `--size ${size} is not a power of two of at least 4096 bytes`,
    "guests see the memory as a PCI BAR: take 4K, 1M, 4M, 1G …",
  );
}

function checkedVectors(vectors: number): number {
  if (vectors <= MAX_VECTORS) return vectors;
  throw new UsageError(`--vectors ${vectors} is more than ${MAX_VECTORS}`);
}

async function untilEnd(server: IvshmemServer, signal: AbortSignal): Promise<void> {
  await Promise.race([interrupted(signal), server.done]);
}

function told(event: { kind: string; peer: number | null; text: string }): CommandEvent {
  const { kind, peer, text } = event;
  return { kind, about: peer, text, members: { kind, peer } };
}
