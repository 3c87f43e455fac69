/** A gigabyte of packets through `watch --pcap`: what it holds does not grow with what has passed. */
import { assert, assertEquals } from "@std/assert";
import { O_RDWR } from "../../ffi/constants.ts";
import { commandLine, ROOT } from "../support/cli.ts";
import { sys } from "../support/host.ts";
import { inFolder } from "../support/vhost_tapped.ts";

const SIZE = 256;
/** Bytes of a packet, its header included: as large as segmentation offload makes them. */
const PACKET = 60_000;
const [DESC, AVAIL, USED, BUFFERS] = [0x1000, 0x3000, 0x4000, 0x10_0000];
const MEMORY = BUFFERS + SIZE * 0x10000;
const GIGABYTE = 2 ** 30;

/** A transmit queue whose every descriptor is one packet; the function makes the next ones available. */
function transmitQueue(image: string): (count: number) => void {
  const view = new DataView(new ArrayBuffer(MEMORY));
  for (let i = 0; i < SIZE; i++) {
    view.setBigUint64(DESC + 16 * i, BigInt(BUFFERS + i * 0x10000), true);
    view.setUint32(DESC + 16 * i + 8, PACKET, true);
    view.setUint16(AVAIL + 4 + 2 * i, i, true);
    // Past the header of 12 bytes and two addresses: a type for experiments.
    view.setUint16(BUFFERS + i * 0x10000 + 24, 0x88b5);
  }
  Deno.writeFileSync(image, new Uint8Array(view.buffer));
  const fd = sys.open(image, O_RDWR);
  let index = 0;
  return (count) => {
    if (count === 0) return sys.close(fd);
    index = (index + count) & 0xffff;
    const bytes = Uint8Array.of(index & 0xff, index >> 8);
    for (const area of [AVAIL, USED]) sys.pwrite(fd, bytes, area + 2);
  };
}

const ring = (index: number, at: number) => ({
  index,
  layout: "split",
  queue_size: SIZE,
  desc: DESC + at,
  driver: AVAIL + at,
  device: USED + at,
});

const LAYOUT = {
  format: "ring-image/1",
  devices: [{
    name: "net0",
    type: 1,
    features: "0x100000000",
    // Queue 0 receives, and stands still.
    queues: [ring(0, 0x8000), ring(1, 0)],
  }],
};

function resident(pid: number): number {
  return Number(/^VmRSS:\s*([0-9]+)/m.exec(sys.readText(`/proc/${pid}/status`))?.[1]) * 1024;
}

Deno.test("a capture of a gigabyte streams: memory stays as it is", async () => {
  await inFolder(async (folder) => {
    const [image, layout] = [`${folder}/ram`, `${folder}/layout.json`];
    const entry = { file: "ram", gpa: 0, size: MEMORY, offset: 0 };
    await Deno.writeTextFile(layout, JSON.stringify({ ...LAYOUT, memory: [entry] }));
    const send = transmitQueue(image);
    const [program, ...args] = commandLine([
      ...["watch", `file:${image}`, "--layout", layout, "--pcap", "-"],
    ]);
    const child = new Deno.Command(program, { args, cwd: ROOT, stdout: "piped" }).spawn();
    const readings: number[] = [];
    let bytes = 0;
    const pump = setInterval(() => send(32), 2);
    try {
      for await (const part of child.stdout) {
        bytes += part.length;
        const eighths = Math.floor(bytes / (GIGABYTE / 8));
        if (eighths > readings.length) readings.push(resident(child.pid));
        if (eighths === 8) child.kill("SIGINT");
      }
    } finally {
      clearInterval(pump);
      send(0);
    }
    assertEquals((await child.status).code, 130);
    const told = readings.map((size) => `${size >> 20} MiB`).join(", ");
    console.log(told);
    const [early, late] = [readings[1], readings.at(-1) as number];
    assert(late - early < 16 << 20, `after each eighth of a gigabyte: ${told}`);
  });
});
