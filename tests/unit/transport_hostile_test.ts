/** Whatever a device, a kernel or a server says, decoders come to an end and do not throw. */
import { assert } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../lib/errors.ts";
import { parseVirtQueue, VIRTQUEUE_LENGTH } from "../../lib/kick/virtqueue_struct.ts";
import { parseResources } from "../../lib/transport/pci_bars.ts";
import { readCapabilities, sharedMemory } from "../../lib/transport/pci_capabilities.ts";
import { parseFeatures, queueNames } from "../../lib/transport/virtio_sysfs.ts";
import { ClientState } from "../../lib/wire/ivshmem/client_state.ts";

const RUNS = { numRuns: 500 };
const BAR = { index: 4, start: 0xe0000000n, length: 0x10000000n, io: false };

Deno.test("any configuration space", () => {
  const config = fc.uint8Array({ minLength: 0, maxLength: 256 });
  fc.assert(
    fc.property(config, fc.boolean(), (bytes, listed) => {
      // Half of them say that they have a list, or few would.
      if (listed && bytes.length > 0x34) {
        bytes[6] |= 0x10;
        bytes[0x34] |= 0x40;
      }
      const list = readCapabilities(bytes, [null, null, null, null, BAR, null]);
      assert(list.capabilities.length <= 48);
      for (const { problem, type, offset, length } of list.capabilities) {
        const inBar = problem !== null || type === 5 || type === 9;
        assert(inBar || offset + length <= BAR.length);
      }
      assert(sharedMemory(list).regions.every(({ length }) => length > 0n));
    }),
    RUNS,
  );
});

Deno.test("any text where sysfs has numbers", () => {
  const line = fc.stringMatching(/^[0-9a-fx ]{0,60}$/);
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string())), (lines) => {
      const text = lines.join("\n");
      assert(parseResources(text).length === 6);
      assert(parseFeatures(text) < 1n << 128n);
      queueNames(text, "virtio0");
    }),
    RUNS,
  );
});

Deno.test("any bytes where a VirtQueue might be", () => {
  const shape = {
    isCode: (address: bigint) => (address & 1n) === 0n,
    isData: () => true,
    isEventfd: (fd: number) => fd < 100,
  };
  const ring = { size: 0, descriptor: 0n, driver: 0n, device: 0n };
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: VIRTQUEUE_LENGTH }), (bytes) => {
      bytes.fill(0, 0, 40);
      const found = parseVirtQueue(bytes, { device: "x", index: 0, ring }, shape);
      assert(found === null || found.hostNotifier === null || found.hostNotifier < 100);
    }),
    RUNS,
  );
});

Deno.test("any conversation of an ivshmem server", () => {
  const message = fc.tuple(fc.integer({ min: -1, max: 6 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(message, { maxLength: 60 }), (said) => {
      const state = new ClientState();
      // fds that the client must hold: what it was told to keep, less what it was told to close.
      let held = 0;
      const byPeer = new Map<number, number>();
      try {
        for (const [value, hasFd] of said) {
          const event = state.take(value, hasFd);
          if (event.kind === "memory" || event.kind === "own-vector") held++;
          if (event.kind === "peer-vector") byPeer.set(event.peer, event.vector + 1);
          if (event.kind === "peer-gone") byPeer.delete(event.peer);
          // An fd never comes with an event that has no place for it.
          assert(!hasFd || !["first", "id", "peer-gone"].includes(event.kind));
        }
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
      }
      for (const peer of state.peers()) assert(state.vectorsOf(peer) === byPeer.get(peer));
      assert(held <= said.length);
    }),
    RUNS,
  );
});
