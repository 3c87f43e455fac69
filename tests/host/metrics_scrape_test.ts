/** Metrics that are scraped without a pause while the guest dies: every answer is whole and true. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startGuestmem } from "../support/cli.ts";

/** Queues of the demo guest. */
const QUEUES = 7;
const SAMPLE = /^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (?:-?[0-9][0-9.e+-]*|NaN)$/;

/** What one answer says. */
interface Scraped {
  readonly up: boolean;
  /** Queues that have a verdict or an index. */
  readonly queues: number;
}

/** Checks the shape of an answer, line by line. */
function parse(text: string): Scraped {
  assert(text.endsWith("\n# EOF\n"), text.slice(-200));
  const kinds = new Map<string, string>();
  const seen = new Set<string>();
  for (const line of text.split("\n").slice(0, -2)) {
    const type = /^# TYPE ([a-z_]+) (gauge|counter)$/.exec(line);
    if (type !== null) kinds.set(type[1], type[2]);
    if (line.startsWith("#")) assertMatch(line, /^# (HELP|TYPE) guestmem_[a-z_]+ \S/);
    else {
      const [, name = "", labels = ""] = SAMPLE.exec(line) ?? [];
      const family = name.replace(/_total$/, "");
      assertEquals(kinds.get(family), name === family ? "gauge" : "counter", line);
      assert(!seen.has(name + labels), `twice: ${line}`);
      seen.add(name + labels);
    }
  }
  const up = /^guestmem_guest_up\{guest="proc:[0-9]+"\} ([01])$/m.exec(text)?.[1];
  assert(up !== undefined, text);
  const queues = [...seen].filter((key) => key.startsWith("guestmem_available_index{")).length;
  assert(queues > 0 || ![...seen].some((key) => /^guestmem_(verdict|in_flight)/.test(key)), text);
  return { up: up === "1", queues };
}

async function scrape(url: string): Promise<Scraped> {
  const answer = await fetch(url);
  const text = await answer.text();
  assertEquals(answer.status, 200, text);
  assertMatch(answer.headers.get("content-type") ?? "", /^application\/openmetrics-text; version=/);
  return parse(text);
}

/** Scrapes as fast as it is answered, until the guest has been down for some answers. */
async function scrapeToTheEnd(url: string, end: number): Promise<Scraped[]> {
  const all: Scraped[] = [];
  for (let down = 0; down < 20;) {
    assert(performance.now() < end, "guest_up never turned 0");
    const one = await scrape(url);
    down = one.up ? 0 : down + 1;
    all.push(one);
  }
  return all;
}

/** What a process has of a guest: its memory's file and mappings, and hold of its process. */
function heldBy(pid: number): string[] {
  const fds = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      return "closed meanwhile";
    }
  });
  const maps = Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n");
  return [...fds, ...maps].filter((text) => /memfd:guestmem-demo|\[pidfd\]/.test(text));
}

async function until(what: string, test: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await test()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never: ${what}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

Deno.test("a guest is killed amid scrapes: each is answered, and nothing of it stays open", async () => {
  const demo = startGuestmem(["demo", "--for", "90s"]);
  const [target] = /proc:[0-9]+/.exec(await demo.line(/proc:[0-9]+/)) ?? [""];
  const port = freePort();
  const url = `http://127.0.0.1:${port}/metrics`;
  const watch = startGuestmem(["watch", target, "--metrics", `${port}`, "--interval", "20ms"]);
  try {
    await until("up", () => scrape(url).then(({ up }) => up, () => false));
    assert(heldBy(watch.process.pid).length >= 2, "the test looks for what a watch does not hold");
    const end = performance.now() + 30_000;
    const scrapers = Promise.all([1, 2, 3].map(() => scrapeToTheEnd(url, end)));
    await new Promise((resolve) => setTimeout(resolve, 200));
    demo.process.kill("SIGKILL");
    for (const answers of await scrapers) {
      const first = answers.findIndex(({ up }) => !up);
      assert(first >= 5, `only ${first} answers while it was up`);
      // All of its queues or none of them; and what is down stays down.
      assertEquals(
        answers.map(({ queues }) => queues),
        answers.map((_, i) => i < first ? QUEUES : 0),
      );
    }
    await until("let go", () => heldBy(watch.process.pid).length === 0);
  } finally {
    const { code } = await watch.end("SIGINT");
    await demo.end("SIGKILL");
    assertEquals(code, 130);
  }
  await fetch(url).then(() => assert(false, "still served"), () => {});
});

Deno.test("only this machine's own address is served, until every address is asked for", async () => {
  const demo = startGuestmem(["demo", "--for", "60s"]);
  const [target] = /proc:[0-9]+/.exec(await demo.line(/proc:[0-9]+/)) ?? [""];
  const serves = async (address: (port: number) => string) => {
    const port = freePort();
    const watch = startGuestmem(["watch", target, "--metrics", address(port)]);
    const reached = (host: string) =>
      fetch(`http://${host}:${port}/metrics`)
        .then((answer) => answer.text().then(() => answer.ok), () => false);
    try {
      await until("serving", () => reached("127.0.0.1"));
      return await reached("127.0.0.2");
    } finally {
      await watch.end("SIGINT");
    }
  };
  try {
    assertEquals(await serves((port) => `${port}`), false);
    assertEquals(await serves((port) => `0.0.0.0:${port}`), true);
  } finally {
    await demo.end("SIGINT");
  }
});
