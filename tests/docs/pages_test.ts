/**
 * Every example of README, the docs pages and `mod.ts` is played here, or where its guest is: QEMU's
 * in tests/live/pages_test.ts, Xen's and those inside a guest in the tests of these.
 *
 * @module
 */
import { actsOf, pagePaths, readPage } from "../support/docs/page.ts";
import { check } from "../support/docs/play.ts";
import { HOST_SCENES } from "../support/docs/scene.ts";

for (const page of pagePaths().map(readPage)) {
  for (const { scene, blocks } of actsOf(page)) {
    const [name, ...words] = scene.split(" ");
    const open = HOST_SCENES[name];
    if (open === undefined) continue;
    Deno.test(`${page.path}:${blocks[0].line}: ${scene}`, async () => {
      await using set = await open(words);
      await check(page, blocks, set);
    });
  }
}
