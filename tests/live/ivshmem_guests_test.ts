/**
 * Two real guests with ivshmem-doorbell and our client, all at our server.
 *
 * No Linux driver takes ivshmem's MSI-X interrupts, so the test programs the vectors to write into
 * the shared memory (an MSI is nothing but a write): an interrupt that was delivered leaves its data
 * at an offset where everybody can see it.
 */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { openSys } from "../../ffi/sys.ts";
import { SourceError } from "../../lib/errors.ts";
import { type IvshmemServer, startIvshmemServer } from "../../lib/ivshmem/server.ts";
import { ivshmemSource } from "../../lib/source/ivshmem.ts";
import type { Attachment } from "../../lib/source/source.ts";
import { doorbellValue, REGISTER } from "../../lib/wire/ivshmem/registers.ts";
import {
  type GuestOptions,
  type LinuxGuest,
  linuxGuestMissing,
  liveTest,
  startLinuxGuest,
} from "../support/linux_guest.ts";

const sys = openSys();
const missing = await linuxGuestMissing();
const SIZE = 1 << 20;

/** A guest that sees the device, with its registers and memory by guest address. */
class Peer implements AsyncDisposable {
  private constructor(
    readonly guest: LinuxGuest,
    readonly registers: number,
    readonly table: number,
    readonly memory: number,
  ) {}

  static async start(path: string): Promise<Peer> {
    const options: GuestOptions = {
      devices: [],
      megabytes: 128,
      extra: [
        ...["-chardev", `socket,path=${path},id=iv`],
        ...["-device", "ivshmem-doorbell,vectors=2,chardev=iv,addr=5"],
      ],
    };
    const guest = await startLinuxGuest(options);
    const device = "/sys/bus/pci/devices/0000:00:05.0";
    const { text } = await guest.run(`cat ${device}/resource`);
    const [registers, table, memory] = text.split("\n").map((line) => Number(line.split(" ")[0]));
    // Memory space and bus master on; MSI-X (capability at 0x40) on.
    await guest.run(`printf '\\006' | dd of=${device}/config bs=1 seek=4 conv=notrunc`);
    await guest.run(`printf '\\200' | dd of=${device}/config bs=1 seek=67 conv=notrunc`);
    return new Peer(guest, registers, table, memory);
  }

  async id(): Promise<number> {
    return await this.read(this.registers + REGISTER.ivPosition);
  }

  async read(address: number): Promise<number> {
    return Number((await this.guest.run(`devmem ${address} 32`)).text);
  }

  async write(address: number, value: number): Promise<void> {
    const { status, text } = await this.guest.run(`devmem ${address} 32 ${value}`);
    assertEquals(status, 0, text);
  }

  /** Makes interrupt `vector` write `data` at `offset` of the shared memory. */
  async program(vector: number, offset: number, data: number): Promise<void> {
    const entry = this.table + 16 * vector;
    const words = [this.memory + offset, 0, data, 0];
    for (const [i, word] of words.entries()) await this.write(entry + 4 * i, word);
  }

  async ring(peer: number, vector: number): Promise<void> {
    await this.write(this.registers + REGISTER.doorbell, doorbellValue(peer, vector));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.guest[Symbol.asyncDispose]();
  }
}

function serve(): IvshmemServer {
  const path = Deno.makeTempFileSync({ suffix: ".sock" });
  Deno.removeSync(path);
  return startIvshmemServer({ sys, path, size: SIZE, vectors: 2 });
}

function attach(path: string): Promise<Attachment> {
  const target = { scheme: "ivshmem", what: path, device: null, queue: null, text: path };
  const options = { sys, write: true, layout: null, signal: null, log: () => {} };
  return ivshmemSource.attach(target, options);
}

function word(client: Attachment, offset: bigint): number {
  return new DataView(client.memory.bytes(offset, 4).buffer).getUint32(0, true);
}

function put(client: Attachment, offset: bigint, value: number): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  client.writable?.write(offset, bytes);
}

async function becomes(look: () => number | bigint, wanted: number | bigint): Promise<void> {
  for (let tries = 0; tries < 300 && look() !== wanted; tries++) {
    await new Promise((done) => setTimeout(done, 10));
  }
  assertEquals(look(), wanted);
}

function doorbell(client: Attachment, peer: number, vector: number) {
  const device = client.devices.find(({ name }) => name === String(peer));
  const queue = device?.queues[vector];
  if (device === undefined || queue === undefined) throw new Error(`no peer ${peer}:${vector}`);
  const [kick] = client.kicks?.(device, queue, "kick") ?? [];
  return kick;
}

liveTest("two guests and our client exchange data and interrupts", missing, async () => {
  await using server = serve();
  await using client = await attach(server.path);
  const peers = await Promise.all([Peer.start(server.path), Peer.start(server.path)]);
  await using stack = new AsyncDisposableStack();
  const [a, b] = peers.map((peer) => stack.use(peer));
  const [idA, idB] = [await a.id(), await b.id()];
  assertEquals([idA, idB].sort(), [1, 2]);
  await becomes(() => client.devices.length, 3);

  // Data, in every direction.
  await a.write(a.memory + 0x40, 0x11223344);
  assertEquals([await b.read(b.memory + 0x40), word(client, 0x40n)], [0x11223344, 0x11223344]);
  put(client, 0x80n, 0x55667788);
  assertEquals([await a.read(a.memory + 0x80), await b.read(b.memory + 0x80)], [
    0x55667788,
    0x55667788,
  ]);

  // Interrupts: client → A, A → B, B → client.
  await a.program(1, 0x100, 0xaaaa0001);
  await b.program(0, 0x200, 0xbbbb0000);
  await doorbell(client, idA, 1).send();
  await becomes(() => word(client, 0x100n), 0xaaaa0001);
  assertEquals(word(client, 0x200n), 0, "only the vector that was rung");
  await a.ring(idB, 0);
  await becomes(() => word(client, 0x200n), 0xbbbb0000);
  await b.ring(0, 1);
  await b.ring(0, 1);
  await becomes(() => client.interrupts?.counts[1] ?? -1n, 2n);
  assertEquals(client.interrupts?.counts[0], 0n);

  // A doorbell that does not exist is dropped by the device, without harm to anyone.
  await a.ring(9, 0);
  await a.ring(idB, 200);
  assertEquals(await b.read(b.memory + 0x40), 0x11223344);

  // A guest that goes away between look-up and write.
  const kick = doorbell(client, idB, 0);
  assertEquals(kick.possible, true);
  await b[Symbol.asyncDispose]();
  await becomes(() => client.devices.length, 2);
  const error = await assertRejects(() => kick.send(), SourceError) as SourceError;
  assertEquals(error.kind, "not-found");
  assertEquals(await a.read(a.memory + 0x80), 0x55667788);
  assertThrows(() => doorbell(client, idB, 0));
});

liveTest(
  "a guest that starts first is joined by ours, and outlives the server",
  missing,
  async () => {
    const server = serve();
    await using a = await Peer.start(server.path);
    await using client = await attach(server.path);
    assertEquals(await a.id(), 0);
    const found = await ivshmemSource.find?.({
      sys,
      write: false,
      layout: null,
      signal: null,
      log: () => {},
    });
    const row = found?.find(({ target }) => target === `ivshmem:${server.path}`);
    assertMatch(row?.note ?? "", new RegExp(`joined by QEMU ${a.guest.pid}; `));
    await a.program(0, 0x300, 0xcccc0000);
    await server.close();
    await becomes(() => client.note === "" ? 0 : 1, 1);
    await doorbell(client, 0, 0).send();
    await becomes(() => word(client, 0x300n), 0xcccc0000);
    assert((await a.guest.run("true")).status === 0);
  },
);
