/** The examples of README and the docs pages that look at a real QEMU. */
import { actsOf, pagePaths, readPage } from "../support/docs/page.ts";
import { check } from "../support/docs/play.ts";
import { LIVE_SCENES, sceneMissing } from "../support/docs/live_scenes.ts";
import { liveTest } from "../support/linux_guest.ts";

for (const page of pagePaths().map(readPage)) {
  for (const { scene, blocks } of actsOf(page)) {
    const [name, ...words] = scene.split(" ");
    const open = LIVE_SCENES[name];
    if (open === undefined) continue;
    liveTest(`${page.path}:${blocks[0].line}: ${scene}`, sceneMissing(name), async () => {
      await using set = await open(words);
      await check(page, blocks, set);
    });
  }
}
