/**
 * A hex dump of 64 MiB against `xxd`, in turn; ratios of medians. Once the formatter alone, and once
 * the whole command line from start to end, both into /dev/null.
 */
import { Hexdump } from "../../cli/render/hexdump.ts";
import { commandLine } from "../support/cli.ts";

const LENGTH = 64 << 20;
const ROUNDS = 7;

async function timed(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function random(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

async function runToNull(program: string, args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command(program, { args: [...args], stdout: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}`);
}

function format(bytes: Uint8Array): number {
  let written = 0;
  const dump = new Hexdump({ end: BigInt(bytes.length), squeeze: true });
  for (const piece of dump.bytes(0n, bytes)) written += piece.length;
  return written;
}

if (import.meta.main) {
  const path = await Deno.makeTempFile();
  try {
    const bytes = random(LENGTH);
    await Deno.writeFile(path, bytes);
    const dump = ["dump", "mem", `file:${path}`, "0", String(LENGTH)];
    const [program, ...args] = commandLine(dump);
    const [alone, whole, xxd]: number[][] = [[], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await timed(() => format(bytes)));
      whole.push(await timed(() => runToNull(program, args)));
      xxd.push(await timed(() => runToNull("xxd", [path])));
    }
    for (const [what, times] of [["formatter", alone], ["dump mem", whole]] as const) {
      const [ours, theirs] = [median(times), median(xxd)];
      console.log(
        `${what.padEnd(10)} ${ours.toFixed(0).padStart(5)} ms, xxd ${theirs.toFixed(0)} ms: ` +
          `${(theirs / ours).toFixed(1)} times as fast`,
      );
    }
  } finally {
    await Deno.remove(path);
  }
}
