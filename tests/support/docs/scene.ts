/**
 * What stands behind a transcript: the guest that its commands look at.
 *
 * @module
 */
import { startGuestmem } from "../cli.ts";
import { writeImage } from "../images.ts";

/** A folder to type in, and what runs meanwhile. Disposing ends it and removes the folder. */
export interface Scene extends AsyncDisposable {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Names on the page, and what they are here: process numbers, paths. */
  readonly names: readonly (readonly [page: string, real: string])[];
  /** Whether all is the same each time. */
  readonly exact: boolean;
}

/** Opens a scene with the words that follow its name. */
export type Opener = (words: readonly string[]) => Promise<Scene>;

/** Scenes that need nothing but Deno; those that need a peer are with the live tests. */
export const HOST_SCENES: Readonly<Record<string, Opener>> = {
  empty: () => Promise.resolve(folderScene()),
  demo: openDemo,
  image: openImage,
  shm: openShm,
};

/** Scenes with a real QEMU: see live_scenes.ts. */
export const LIVE_SCENE_NAMES = ["qemu", "dump", "boot"] as const;

/** Scenes that other tests play, where the guest is. */
export const GUEST_SCENE_NAMES = ["xen", "inside"] as const;

/** A scene of nothing but a folder. */
export function folderScene(more: Partial<Scene> = {}): Scene {
  const folder = Deno.makeTempDirSync({ prefix: "guestmem-docs-" });
  for (const name of ["runtime", "run"]) Deno.mkdirSync(`${folder}/${name}`, { mode: 0o700 });
  return {
    folder,
    env: cacheOf(),
    exact: false,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
    ...more,
    names: [["/run", `${folder}/run`], ...more.names ?? []],
  };
}

/** The reader's home is another folder; modules need not be fetched again for that. */
function cacheOf(): Record<string, string> {
  const given = Deno.env.get("DENO_DIR");
  const base = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  return { DENO_DIR: given ?? `${base}/deno`, NO_COLOR: "1" };
}

/** `demo [BREAK [QUEUE]]`: on the page it is process 4242. */
async function openDemo([how, queue = "blk0:0"]: readonly string[]): Promise<Scene> {
  const broken = how === undefined
    ? []
    : ["--break", how, "--break-after", "1s", "--break-queue", queue];
  const demo = startGuestmem(["demo", "--for", "300s", ...broken]);
  const scene = folderScene();
  const end = async () => {
    await demo.end("SIGINT");
    await scene[Symbol.asyncDispose]();
  };
  try {
    const [, pid] = /proc:(\d+)/.exec(await demo.line(/proc:\d+/)) ?? [];
    if (how !== undefined) {
      await demo.line(/^broke /);
      // What was under way comes to rest.
      await new Promise((done) => setTimeout(done, 3000));
    }
    const names = [...scene.names, ["4242", pid] as const];
    return { ...scene, names, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** `image NAME`: guest.raw, and guest.json that describes it. */
async function openImage([name]: readonly string[]): Promise<Scene> {
  const scene = folderScene({ exact: true });
  const { raw, layout } = await writeImage(name, scene.folder);
  const file = raw.split("/").at(-1) ?? raw;
  await Deno.rename(raw, `${scene.folder}/guest.raw`);
  const text = (await Deno.readTextFile(layout)).replaceAll(file, "guest.raw");
  await Deno.writeTextFile(`${scene.folder}/guest.json`, text);
  return scene;
}

/** `shm`: /dev/shm/guestmem-docs, 1 MiB with a text at 0x8000. */
async function openShm(): Promise<Scene> {
  const scene = folderScene();
  const name = `guestmem-${crypto.randomUUID().slice(0, 4)}`;
  const bytes = new Uint8Array(1 << 20);
  bytes.set(new TextEncoder().encode("shared by two guests"), 0x8000);
  await Deno.writeFile(`/dev/shm/${name}`, bytes);
  const end = async () => {
    await Deno.remove(`/dev/shm/${name}`);
    await scene[Symbol.asyncDispose]();
  };
  return {
    ...scene,
    names: [["guestmem-docs", name], ...scene.names],
    [Symbol.asyncDispose]: end,
  };
}
