/**
 * Plays a page's transcripts: types each command into a shell, as a reader does, and compares.
 *
 * @module
 */
import { commandLine } from "../cli.ts";
import type { Block } from "./markdown.ts";
import type { Page } from "./page.ts";
import type { Scene } from "./scene.ts";
import { type Comparison, difference } from "./shape.ts";
import { type Step, stepsOf, withoutBlankEnd } from "./transcript.ts";

/** Milliseconds for one command, and for what a background one prints first. */
const PATIENCE = 60_000;

/** How a step of a page went. */
export interface Played {
  readonly block: Block;
  readonly step: Step;
  /** What is not as on the page, in words; null where all is. */
  readonly wrong: string | null;
  /** What was printed, in the page's own names. */
  readonly printed: readonly string[];
}

/** Plays blocks in a scene, step by step. */
export async function* play(
  page: Page,
  blocks: readonly Block[],
  scene: Scene,
): AsyncGenerator<Played> {
  writePrograms(page, scene);
  writeShims(scene);
  await using stage = new Stage(scene);
  for (const block of blocks) {
    for (const step of stepsOf(block.text)) yield { block, step, ...await stage.play(step) };
  }
}

/** Plays blocks in a scene; throws an Error that names the line of the page that is not kept. */
export async function check(page: Page, blocks: readonly Block[], scene: Scene): Promise<void> {
  for await (const { block, step, wrong } of play(page, blocks, scene)) {
    if (wrong === null) continue;
    throw new Error(`${page.path}:${block.line + step.line}: $ ${step.command}\n${wrong}`);
  }
}

/** A block whose first line is `// name.ts`, or `# name.gm`, is that file in the reader's folder. */
function writePrograms({ blocks }: Page, scene: Scene): void {
  for (const { language, text } of blocks) {
    const [, name] = /^(?:\/\/ (?=\S+\.ts$)|# (?=\S+\.gm$))(\S+)$/m.exec(text.split("\n")[0]) ?? [];
    if (["ts", "sh"].includes(language) && name !== undefined) {
      Deno.writeTextFileSync(`${scene.folder}/${name}`, toReal(scene, text));
    }
  }
  const mod = new URL("../../../mod.ts", import.meta.url).href;
  const config = { imports: { "@guestmem/guestmem": mod } };
  Deno.writeTextFileSync(`${scene.folder}/deno.json`, JSON.stringify(config));
}

/** `guestmem` and `deno` on the reader's PATH. */
export function writeShims({ folder }: Scene): void {
  const quoted = (word: string) => `'${word}'`;
  const root = new URL("../../../", import.meta.url).pathname;
  const run = commandLine([]).map((word) => word === "cli/main.ts" ? root + word : word);
  const config = [`--config`, `${root}deno.json`];
  const words = [...run.slice(0, 2), ...config, ...run.slice(2)].map(quoted).join(" ");
  Deno.mkdirSync(`${folder}/bin`, { recursive: true });
  const write = (name: string, text: string) =>
    Deno.writeTextFileSync(`${folder}/bin/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  write("guestmem", `exec ${words} "$@"`);
  write("deno", `exec ${quoted(Deno.execPath())} "$@"`);
}

/** What the commands that run in the background print, one among the other as on a terminal. */
interface Terminal {
  text: string;
}

/** Runs steps one after the other; ends those that still run when it is disposed. */
class Stage implements AsyncDisposable {
  readonly #running: Run[] = [];
  readonly #background: Terminal = { text: "" };
  #code = 0;

  constructor(readonly scene: Scene) {}

  async play(step: Step): Promise<Pick<Played, "wrong" | "printed">> {
    const terminal = step.background ? this.#background : { text: "" };
    const run = new Run(this.scene, step, this.#code, terminal);
    const among = /^guestmem find(?!.*--carve)/.test(step.command);
    const wrong = await this.#go(run, step, { exact: this.scene.exact, among });
    return { wrong, printed: run.lines };
  }

  async #go(run: Run, step: Step, how: Comparison): Promise<string | null> {
    if (!step.background && step.afterInterrupt === null) {
      const wrong = await run.ended(how, step.output);
      this.#code = run.code ?? 0;
      return wrong;
    }
    this.#running.push(run);
    const wrong = await run.prints(how, step.output);
    if (wrong !== null || step.afterInterrupt === null) return wrong;
    run.signal("SIGINT");
    return await run.ended(how, [...step.output, ...step.afterInterrupt]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.#running.toReversed()) await run.end();
  }
}

/** One command. */
class Run {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  /** Where its output begins. */
  readonly #start: number;
  code: number | null = null;

  constructor(
    readonly scene: Scene,
    { command, background, afterInterrupt }: Step,
    code: number,
    readonly terminal: Terminal,
  ) {
    this.#start = terminal.text.length;
    const typed = toReal(scene, command);
    // Signals must reach the command itself.
    const kept = background || afterInterrupt !== null ? `exec ${typed}` : typed;
    this.#child = new Deno.Command("bash", {
      args: ["-c", `exec 2>&1; (exit ${code}); ${kept}`],
      cwd: scene.folder,
      env: {
        ...scene.env,
        HOME: scene.folder,
        PATH: `${scene.folder}/bin:${Deno.env.get("PATH")}`,
        XDG_RUNTIME_DIR: `${scene.folder}/runtime`,
      },
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const part of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.terminal.text += part;
    }
    this.code = (await this.#child.status).code;
  }

  get lines(): string[] {
    return withoutBlankEnd(toPage(this.scene, this.terminal.text.slice(this.#start)).split("\n"));
  }

  /** Waits for the end, and compares all that was printed. */
  async ended(how: Comparison, expected: readonly string[]): Promise<string | null> {
    const late = Symbol();
    const { promise, resolve } = Promise.withResolvers<typeof late>();
    const timer = setTimeout(() => resolve(late), PATIENCE);
    const first = await Promise.race([this.#reading, promise]);
    clearTimeout(timer);
    if (first === late) await this.end();
    const wrong = difference(expected, this.lines, how);
    return first === late ? `no end in time; ${wrong ?? "all was printed"}` : wrong;
  }

  /** Waits until it has printed what is expected, and goes on. */
  async prints(how: Comparison, expected: readonly string[]): Promise<string | null> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const wrong = difference([...expected, "…"], this.lines, how);
      if (wrong === null || this.code !== null || performance.now() > end) return wrong;
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  signal(name: Deno.Signal): void {
    if (this.code === null) this.#child.kill(name);
  }

  async end(): Promise<void> {
    this.signal("SIGINT");
    const timer = setTimeout(() => this.signal("SIGKILL"), 5000);
    await this.#reading;
    clearTimeout(timer);
  }
}

/** What the page calls by a name of its own, by its real one. */
function toReal({ names }: Scene, text: string): string {
  return names.reduce((all, [page, real]) => replaceWord(all, page, real), text);
}

/** And back, so that output is compared with the page. */
function toPage({ names }: Scene, text: string): string {
  return names.reduceRight((all, [page, real]) => replaceWord(all, real, page), text);
}

function replaceWord(text: string, from: string, to: string): string {
  const literal = from.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.replace(new RegExp(`(?<![\\w.])${literal}(?!\\w)`, "g"), () => to);
}
