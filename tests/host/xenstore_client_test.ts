/** The xenstore client over a real socket, against a store that answers as it is told. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ProtocolError, SourceError } from "../../lib/errors.ts";
import { encodeMessage, messageReader, XS } from "../../lib/wire/xenstore/message.ts";
import type { XenstoreMessage } from "../../lib/wire/xenstore/message.ts";
import { decodeStrings, encodeStrings } from "../../lib/wire/xenstore/payload.ts";
import { openStore, type Xenstore, XenstoreError } from "../../lib/xen/store.ts";
import { sys } from "./../support/host.ts";

/** What the store does with a request: the messages it sends; none for silence; null hangs up. */
type Answer = (request: XenstoreMessage, strings: string[]) => Uint8Array[] | null;

const text = (value: string) => new TextEncoder().encode(value);
const reply = (request: XenstoreMessage, payload: Uint8Array, type = request.type) =>
  encodeMessage({ ...request, type, payload });
const refuse = (request: XenstoreMessage, errno: string) =>
  reply(request, encodeStrings(errno), XS.ERROR);

async function withStore(
  answer: Answer,
  run: (store: Xenstore) => Promise<void>,
  timeoutMs = 2000,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/socket`;
  const listener = Deno.listen({ transport: "unix", path });
  const served = serve(listener, answer);
  try {
    using store = openStore({ sys, path, timeoutMs });
    await run(store);
  } finally {
    listener.close();
    await served;
    await Deno.remove(folder, { recursive: true });
  }
}

async function serve(listener: Deno.UnixListener, answer: Answer): Promise<void> {
  try {
    using connection = await listener.accept();
    const reader = messageReader();
    const bytes = new Uint8Array(8192);
    for (let length; (length = await connection.read(bytes)) !== null;) {
      for (const request of reader.push(bytes.slice(0, length))) {
        const messages = answer(request, decodeStrings(request.payload));
        if (messages === null) return;
        for (const message of messages) await connection.write(message);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

Deno.test("values, absent nodes, refusals by name", async () => {
  const answer: Answer = (request, [path]) => [
    path === "/name"
      ? reply(request, text("guest"))
      : refuse(request, path === "/secret" ? "EACCES" : path === "/many" ? "EQUOTA" : "ENOENT"),
  ];
  await withStore(answer, async (store) => {
    assertEquals(await store.read("/name"), "guest");
    assertEquals(await store.read("/nothing"), null);
    const error = await assertRejects(() => store.read("/secret"), XenstoreError, "EACCES");
    assertEquals([error.operation, error.path], ["READ", "/secret"]);
    await assertRejects(() => store.watch("/many", "t"), XenstoreError, "quota is used up");
    await assertRejects(() => store.read("no path"), SyntaxError);
  });
});

Deno.test("requests at once are answered each with its own, cut anywhere, with events between", async () => {
  const answer: Answer = (request, [path]) => {
    const event = encodeMessage({
      ...{ type: XS.WATCH_EVENT, requestId: 0, transaction: 0 },
      payload: encodeStrings(`/seen${path}`, "token"),
    });
    const bytes = Uint8Array.from([...event, ...reply(request, text(path))]);
    return [bytes.subarray(0, 7), bytes.subarray(7, 30), bytes.subarray(30)];
  };
  await withStore(answer, async (store) => {
    const paths = ["/a", "/b", "/c"];
    assertEquals(await Promise.all(paths.map((path) => store.read(path))), paths);
    for (const path of paths) {
      assertEquals(await store.nextEvent(1000), { path: `/seen${path}`, token: "token" });
    }
    assertEquals(await store.nextEvent(10), null);
  });
});

Deno.test("a directory too large for one reply comes in parts, and begins again when it changed", async () => {
  const parts = ["7\0a\0b\0", "8\0", "8\0a\0b\0", "8\0c\0\0"];
  const offsets: string[] = [];
  const answer: Answer = (request, [, offset]) => {
    if (request.type === XS.DIRECTORY) return [refuse(request, "E2BIG")];
    offsets.push(offset);
    return [reply(request, text(parts.shift()!))];
  };
  await withStore(answer, async (store) => {
    assertEquals(await store.list("/local/domain"), ["a", "b", "c"]);
    assertEquals(offsets, ["0", "4", "0", "4"]);
  });
});

Deno.test("a transaction is made again when the store changed, and ended when its reader fails", async () => {
  const verdicts: string[] = [];
  const answer: Answer = (request, [first]) => {
    if (request.type === XS.TRANSACTION_START) return [reply(request, encodeStrings("42"))];
    if (request.type === XS.READ) return [reply(request, text(`in ${request.transaction}`))];
    verdicts.push(first);
    return [
      verdicts.length === 1 ? refuse(request, "EAGAIN") : reply(request, encodeStrings("OK")),
    ];
  };
  await withStore(answer, async (store) => {
    assertEquals(await store.transaction((reader) => reader.read("/x")), "in 42");
    await assertRejects(
      () => store.transaction(() => Promise.reject(new Error("mine"))),
      Error,
      "mine",
    );
    assertEquals(verdicts, ["T", "T", "F"]);
  });
});

Deno.test("a store that is silent, hangs up, or talks nonsense", async () => {
  await withStore(
    () => [],
    async (store) => {
      await assertRejects(() => store.read("/x"), SourceError, "is silent: waited 50 ms");
    },
    50,
  );
  await withStore(() => null, async (store) => {
    await assertRejects(() => store.read("/x"), SourceError, "closed the connection");
  });
  await withStore((request) => [reply(request, text(""), XS.WATCH)], async (store) => {
    await assertRejects(() => store.read("/x"), ProtocolError, "wanted READ, got WATCH");
  });
  const long = encodeMessage({ type: 2, requestId: 1, transaction: 0, payload: new Uint8Array(1) });
  long[13] = 0xff;
  await withStore(() => [long], async (store) => {
    await assertRejects(() => store.read("/x"), ProtocolError, "a length of at most 4096");
  });
});

Deno.test("no store at all: what was tried, and what to do", () => {
  const error = assertThrows(() => openStore({ sys, path: "/nowhere/socket" }), SourceError);
  assertEquals([error.kind, error.message.includes("/nowhere/socket ENOENT")], [
    "unsupported",
    true,
  ]);
});
