/** Another user at a tap's socket, for real: kept out by its mode, and where that lets him in, sent away. */
import { assert, assertEquals } from "@std/assert";
import { startSink } from "../../lib/tap/sink.ts";
import { startTap } from "../../lib/tap/tap.ts";
import {
  EMPTY,
  encodeMessage,
  frontEndReply,
  frontEndRequest,
  u64,
} from "../../lib/wire/vhost_user/vhost_user.ts";
import { asUser, NOBODY, otherUserMissing } from "../support/as_user.ts";
import { sys } from "../support/host.ts";
import { connectPeer, peerListener } from "../support/vhost_peer.ts";
import { inFolder, passes } from "../support/vhost_tapped.ts";

const ignore = otherUserMissing() !== null;

const QUESTION = [...encodeMessage(frontEndRequest("GET_FEATURES", EMPTY))];

/** Connects as another user and asks: the answer's length, 0 where it is closed, or the error's name. */
async function asks(uid: number, path: string): Promise<string> {
  const program = `
    setTimeout(() => (console.log("neither answered nor closed"), Deno.exit()), 5000);
    try {
      using socket = await Deno.connect({ transport: "unix", path: ${JSON.stringify(path)} });
      await socket.write(Uint8Array.from(${JSON.stringify(QUESTION)})).catch(() => {});
      console.log(await socket.read(new Uint8Array(64)).catch(() => null) ?? 0);
      Deno.exit();
    } catch (error) {
      console.log(error.name);
      Deno.exit();
    }`;
  await using user = await asUser(uid, "", program);
  return await user.line();
}

/** The folder of a test can be entered by everybody: only the socket itself keeps others out. */
async function inOpenFolder(run: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    await Deno.chmod(folder, 0o755);
    await run(folder);
  });
}

Deno.test({
  name: "another user can not connect, and if the mode let him he is sent away",
  ignore,
  async fn() {
    await inOpenFolder(async (folder) => {
      using backEnds = peerListener(`${folder}/back.sock`);
      const events: string[] = [];
      const listen = `${folder}/tap.sock`;
      await using _tap = startTap({
        sys,
        listen,
        connect: backEnds.path,
        event: ({ text }) => void events.push(text),
      });
      assertEquals(await asks(NOBODY, listen), "PermissionDenied");
      assertEquals(events, []);
      await Deno.chmod(listen, 0o666);
      assertEquals(await asks(NOBODY, listen), "0");
      assertEquals(events.length, 1);
      assert(
        /^process [0-9]+ of user 65534 was sent away: user 65534 may not connect$/.test(events[0]),
        events[0],
      );
    });
  },
});

Deno.test({
  name: "the user that --allow-uid names gets through, and nobody else",
  ignore,
  async fn() {
    await inOpenFolder(async (folder) => {
      await using backEnd = startSink({ sys, listen: `${folder}/back.sock` });
      const listen = `${folder}/tap.sock`;
      await using _tap = startTap({ sys, listen, connect: backEnd.socket, allowUid: NOBODY });
      assertEquals([sys.stat(listen).uid, sys.stat(listen).mode & 0o777], [NOBODY, 0o600]);
      // Twelve bytes of header and eight of features.
      assertEquals(await asks(NOBODY, listen), "20");
      assertEquals(await asks(NOBODY - 1, listen), "PermissionDenied");
    });
  },
});

Deno.test({
  name: "a tap of an ordinary user takes its own and root, and sends others away",
  ignore,
  async fn() {
    await inOpenFolder(async (folder) => {
      await Deno.chown(folder, NOBODY, NOBODY);
      using backEnds = peerListener(`${folder}/back.sock`);
      await Deno.chmod(backEnds.path, 0o666);
      const listen = `${folder}/tap.sock`;
      const [tap, ffi] = ["lib/tap/tap.ts", "ffi/sys.ts"].map((path) =>
        new URL(`../../${path}`, import.meta.url)
      );
      const imports =
        `import { startTap } from "${tap}"; import { openSys } from "${ffi}"; const sys = openSys();`;
      await using user = await asUser(
        NOBODY,
        imports,
        `
      const options = ${JSON.stringify({ listen, connect: backEnds.path })};
      const tap = startTap({ sys, ...options, event: ({ text }) => console.log(text) });
      console.log("ready");
      for await (const _ of Deno.stdin.readable);
      await tap.close();`,
      );
      assertEquals(await user.line(), "ready");
      assertEquals([sys.stat(listen).uid, sys.stat(listen).mode & 0o777], [NOBODY, 0o600]);
      {
        using frontEnd = connectPeer(listen);
        using backEnd = await backEnds.accept();
        await passes(frontEnd, backEnd, frontEndRequest("GET_FEATURES", EMPTY));
        await passes(backEnd, frontEnd, frontEndReply("GET_FEATURES", u64(1)));
      }
      assert((await user.line()).includes("joined"));
      assert((await user.line()).includes("closed"));
      await Deno.chmod(listen, 0o666);
      assertEquals(await asks(NOBODY - 1, listen), "0");
      assert((await user.line()).includes(`user ${NOBODY - 1} may not connect`));
    });
  },
});
