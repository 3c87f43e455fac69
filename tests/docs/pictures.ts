/**
 * Makes the pictures of README and the docs pages: the real command line in a real terminal, looking
 * at a demo guest.
 *
 * usage: deno task pictures [NAME…]
 */
import { writeShims } from "../support/docs/play.ts";
import { HOST_SCENES, type Scene } from "../support/docs/scene.ts";
import { svgOf } from "../support/docs/svg.ts";
import { openTerminal } from "../support/docs/terminal.ts";

/** A picture to make. */
interface Picture {
  readonly name: string;
  /** What the demo guest suffers, as in the fence of a transcript. */
  readonly demo: readonly string[];
  readonly columns: number;
  readonly rows: number;
  /** What is typed; 4242 is the demo's process. */
  readonly command: string;
  /** What the last of it looks like. */
  readonly shown: RegExp;
  /** Milliseconds to look on after that. */
  readonly wait?: number;
  readonly keys?: readonly string[];
}

const PICTURES: readonly Picture[] = [
  {
    name: "diagnose",
    demo: ["lose-kick"],
    columns: 88,
    rows: 24,
    command: "guestmem diagnose proc:4242",
    shown: /next: .*\n\$\s*$/m,
  },
  {
    name: "ring",
    demo: ["stop-device"],
    columns: 120,
    rows: 34,
    command: "guestmem dump ring proc:4242/blk0:0 --limit 3",
    shown: /more chains.*\n\$\s*$/m,
  },
  {
    name: "watch",
    demo: ["stop-device"],
    columns: 88,
    rows: 24,
    command: "guestmem watch proc:4242",
    shown: /VERDICT/,
    wait: 15_000,
  },
];

const FOLDER = new URL("../../cli/docs/pictures/", import.meta.url);

async function take(picture: Picture, scene: Scene): Promise<string> {
  const { columns, rows, wait = 0, keys = [] } = picture;
  const command = scene.names.reduce(
    (text, [page, real]) => text.replace(page, real),
    picture.command,
  );
  const { folder, env: { NO_COLOR: _, ...env } } = scene;
  await using terminal = await openTerminal({
    ...{ columns, rows, folder },
    env: { ...env, HOME: folder },
  });
  await terminal.shows(/[$#]\s*$/m);
  await terminal.type(`PATH='${folder}/bin':$PATH PS1='$ '; clear`, "Enter");
  await terminal.shows(/^\$\s*$/m);
  await terminal.type(command, "Enter");
  await terminal.shows(picture.shown);
  if (keys.length > 0) await terminal.type(...keys);
  await new Promise((done) => setTimeout(done, wait));
  return svgOf(await terminal.cells(), command);
}

if (import.meta.main) {
  await Deno.mkdir(FOLDER, { recursive: true });
  for (const picture of PICTURES) {
    if (Deno.args.length > 0 && !Deno.args.includes(picture.name)) continue;
    await using scene = await HOST_SCENES.demo(picture.demo);
    writeShims(scene);
    await Deno.writeTextFile(new URL(`${picture.name}.svg`, FOLDER), await take(picture, scene));
    console.log(`cli/docs/pictures/${picture.name}.svg`);
  }
}
