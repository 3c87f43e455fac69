/**
 * fds on their way to a side that does not read, when the other side takes them out of the state: they
 * must stay what they were until they are sent, or the reader gets whatever has their number by then.
 */
import { assertEquals } from "@std/assert";
import { closeAll, Fd } from "../../ffi/fd.ts";
import {
  encodeMessage,
  frontEndReply,
  frontEndRequest,
  type Message,
  vringFd,
  vringState,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { sys } from "../support/host.ts";
import type { Peer } from "../support/vhost_peer.ts";
import { identity, tapped, until } from "../support/vhost_tapped.ts";

/** Sends until both sockets are full, so that the tap holds one message back; tells how many. */
async function fill(from: Peer, message: Message, fd: number): Promise<number> {
  const bytes = encodeMessage(message);
  let sent = 0;
  for (let idle = 0; idle < 20;) {
    if (sys.sendmsg(from.fd, bytes, [fd]) === bytes.length) {
      sent++;
      idle = 0;
    } else {
      idle++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  return sent;
}

/** Every one of `count` messages arrives with the file that was sent. */
async function allArrive(at: Peer, count: number, file: string): Promise<void> {
  for (let i = 0; i < count; i++) {
    const arrival = await at.receive();
    if (arrival === null) throw new Error(`closed after ${i} of ${count}`);
    assertEquals(arrival.fds.map(identity), [file], `message ${i} of ${count}`);
    closeAll(sys, arrival.fds);
  }
}

Deno.test("a kick fd that waits for the back-end outlives the answer that stops its ring", async () => {
  await tapped(async ({ frontEnd, backEnd, tap }) => {
    using event = new Fd(sys, sys.eventfd(0, 0));
    const kick = frontEndRequest("SET_VRING_KICK", vringFd(0));
    const sent = await fill(frontEnd, kick, event.number);
    await until(() => tap.connections[0].state.vrings[0]?.kickFd !== null, "a kick fd");
    await backEnd.send(frontEndReply("GET_VRING_BASE", vringState(0, 0)));
    await until(() => tap.connections[0].state.vrings[0]?.kickFd === null, "a stopped ring");
    // Whatever is opened now takes the lowest number that is free.
    using _others = opened();
    await allArrive(backEnd, sent, identity(event.number));
  });
});

function opened(): DisposableStack {
  const stack = new DisposableStack();
  for (let i = 0; i < 8; i++) stack.use(new Fd(sys, sys.eventfd(0, 0)));
  return stack;
}
