/** Recorded conversations of DPDK 22.11 and QEMU 7.2 decode and encode to the same bytes. */
import { assert, assertEquals } from "@std/assert";
import { encodeMessage, messageJson, payloadAs } from "../../lib/wire/vhost_user/vhost_user.ts";
import { conversation, CONVERSATIONS } from "../support/conversations.ts";

for (const file of CONVERSATIONS) {
  Deno.test(`${file} decodes and encodes to the same bytes`, async () => {
    let count = 0;
    for await (const [line, bytes, message] of conversation(file)) {
      assertEquals(message.name, line.name ?? line.req);
      assertEquals(message.rest.length, 0, message.name);
      assertEquals(encodeMessage(message), bytes, message.name);
      assert(JSON.stringify(messageJson(message)).includes(message.name));
      count++;
    }
    assert(count >= 30, `${count} messages`);
  });
}

Deno.test("decoded fields are those that DPDK's recorder decoded", async () => {
  let checked = 0;
  for await (const [line, , message] of conversation("dpdk-tap_split_nohuge.jsonl")) {
    if (line.vring) {
      const payload = payloadAs(message, "vring-address");
      assertEquals(Number(payload.descriptor), line.vring.desc);
      assertEquals(Number(payload.used), line.vring.used);
      assertEquals(Number(payload.available), line.vring.avail);
      checked++;
    }
    if (line.regions) {
      const [region] = payloadAs(message, "memory-table").regions;
      assertEquals(Number(region.guestAddress), line.regions[0].gpa);
      assertEquals(Number(region.size), line.regions[0].size);
      assertEquals(Number(region.userAddress), line.regions[0].uva);
      assertEquals(region.xen, null);
      checked++;
    }
  }
  assertEquals(checked, 3);
});
