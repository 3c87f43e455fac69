/** What can be said of the docs pages without playing them: every example is one that a test plays. */
import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { linksOf } from "../support/docs/markdown.ts";
import { pagePaths, readPage } from "../support/docs/page.ts";
import { GUEST_SCENE_NAMES, HOST_SCENES, LIVE_SCENE_NAMES } from "../support/docs/scene.ts";
import { stepsOf } from "../support/docs/transcript.ts";

const ROOT = new URL("../../", import.meta.url);
const PAGES = pagePaths().map(readPage);
const SCENES: string[] = [...Object.keys(HOST_SCENES), ...LIVE_SCENE_NAMES, ...GUEST_SCENE_NAMES];

Deno.test("every transcript has a scene to be played in, and begins with a command", () => {
  for (const { path, blocks } of PAGES) {
    for (const { language, words, text, line } of blocks) {
      if (language !== "console") continue;
      assert(SCENES.includes(words[0]), `${path}:${line}: no scene "${words[0]}"`);
      assert(stepsOf(text).length > 0, `${path}:${line}: no command`);
    }
  }
});

Deno.test("every program of a page is run by one of its transcripts", () => {
  for (const { path, blocks } of PAGES) {
    const typed = blocks.filter(({ language }) => language === "console").map(({ text }) => text);
    for (const { language, text, line } of blocks) {
      if (language !== "ts") continue;
      const [, name] = /^\/\/ (\S+\.ts)/.exec(text) ?? [];
      assert(name !== undefined, `${path}:${line}: no // name.ts in the first line`);
      assert(typed.some((one) => one.includes(` ${name}`)), `${path}:${line}: ${name} is not run`);
    }
  }
});

Deno.test("every link of a page leads to a file", () => {
  for (const { path } of PAGES.filter(({ path }) => path.endsWith(".md"))) {
    const page = new URL(path, ROOT);
    for (const link of linksOf(Deno.readTextFileSync(page))) {
      assert(exists(new URL(link, page)), `${path}: no ${link}`);
    }
  }
});

Deno.test("README's shell lines: tasks that there are, by the Deno that CI runs", () => {
  const [, version] = /npx -y deno@([\d.]+)/.exec(read(".ci/run")) ?? [];
  const lines = [...read("README.md").matchAll(/deno@([\d.]+) task (\w+)/g)];
  assert(lines.length > 0);
  for (const [, deno, task] of lines) {
    assertEquals(deno, version);
    assert(task in config.tasks, task);
  }
});

Deno.test("README names every dependency", () => {
  const names = Object.values(config.imports).map((from) => /^npm:(@?[^@]+)@/.exec(from)?.[1]);
  const text = read("README.md");
  for (const name of names) {
    assert(
      name !== undefined &&
        text.includes(`\`${name.replace(/^@[^/]+\/extra-typings$/, "commander")}\``),
      name,
    );
  }
});

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}
