import { assertEquals } from "@std/assert";
import { chainBytes } from "../../lib/device/decode_chain.ts";
import type { ChainDescriptor, DescriptorChain } from "../../lib/ring/snapshot.ts";
import { drawnMemory, PAGE } from "../support/sparse_memory.ts";

interface Part {
  readonly address: number;
  readonly length: number;
  readonly writable?: boolean;
}

function chain(parts: readonly Part[], written: number | null = null): DescriptorChain {
  const descriptors = parts.map((
    { address, length, writable = false },
    index,
  ): ChainDescriptor => ({
    index,
    address: BigInt(address),
    length,
    writable,
    next: index + 1 < parts.length ? index + 1 : null,
    status: "ok",
  }));
  const sum = (writable: boolean) =>
    descriptors.filter((one) => one.writable === writable).reduce((n, { length }) => n + length, 0);
  return {
    head: 0,
    slot: 0,
    id: 0,
    readable: sum(false),
    writable: sum(true),
    indirect: false,
    state: "available",
    written,
    descriptors,
    findings: [],
  };
}

/** Memory whose byte n is n modulo 251. */
function counted(drawing: string) {
  const { memory, bytes } = drawnMemory(drawing);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i % 251;
  return memory;
}

Deno.test("each direction is one stream, however it is cut", () => {
  const parts = [
    { address: 10, length: 3 },
    { address: 100, length: 2 },
    { address: 200, length: 4, writable: true },
    { address: 50, length: 2, writable: true },
  ];
  const bytes = chainBytes(chain(parts, 5), counted("d"));
  assertEquals([bytes.readable, bytes.writable, bytes.written], [5, 6, 5]);
  assertEquals([...bytes.readRequest(0, 5)], [10, 11, 12, 100, 101]);
  assertEquals([...bytes.readRequest(2, 2)], [12, 100]);
  assertEquals([...bytes.readRequest(4, 9)], [101]);
  assertEquals([...bytes.readReply(3, 2)], [203, 50]);
  assertEquals([...bytes.readReply(6, 1)], []);
  assertEquals([...bytes.readReply(99, 1)], []);
});

Deno.test("reading ends where memory does, and does not go on behind it", () => {
  const parts = [{ address: PAGE - 2, length: 4 }, { address: 0, length: 4 }];
  const expect = [(PAGE - 2) % 251, (PAGE - 1) % 251];
  assertEquals([...chainBytes(chain(parts), counted("d_")).readRequest(0, 8)], expect);
  assertEquals([...chainBytes(chain(parts), counted("dx")).readRequest(0, 8)], expect);
});

Deno.test("a buffer across two pages is one", () => {
  const bytes = chainBytes(chain([{ address: PAGE - 1, length: 2 }]), counted("dd"));
  assertEquals([...bytes.readRequest(0, 2)], [(PAGE - 1) % 251, PAGE % 251]);
});

Deno.test("all reads of a chain together copy no more than the limit", () => {
  const bytes = chainBytes(chain([{ address: 0, length: PAGE }]), counted("d"), 100);
  assertEquals(bytes.readRequest(0, 80).length, 80);
  assertEquals(bytes.readRequest(0, 80).length, 20);
  assertEquals(bytes.readRequest(0, 80).length, 0);
});

Deno.test("lengths of 4 GiB allocate nothing of that size", () => {
  const huge = { address: 0, length: 0xffffffff };
  const bytes = chainBytes(chain([huge, huge, huge]), counted("d"));
  assertEquals(bytes.readRequest(0, 0xffffffff).length, PAGE);
});
