/** A real Prometheus scrapes the metrics of a demo guest and answers queries about it. */
import { assert, assertEquals } from "@std/assert";
import { startGuestmem } from "../support/cli.ts";
import { liveTest, onPath } from "../support/linux_guest.ts";

const missing = onPath("prometheus") ? null : "no prometheus: apt-get install prometheus";

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Value of a query's only result, or null while there is none. */
async function query(port: number, text: string): Promise<number | null> {
  const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(text)}`;
  try {
    const { data } = await (await fetch(url)).json();
    return data.result.length === 1 ? Number(data.result[0].value[1]) : null;
  } catch {
    return null;
  }
}

async function until(what: string, test: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 120; n++) {
    if (await test()) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`never: ${what}`);
}

async function startPrometheus(
  folder: string,
  port: number,
  scraped: number,
): Promise<Deno.ChildProcess> {
  const config = [
    "global: {scrape_interval: 1s}",
    "scrape_configs:",
    `- {job_name: guestmem, static_configs: [{targets: ['127.0.0.1:${scraped}']}]}`,
  ];
  await Deno.writeTextFile(`${folder}/prometheus.yml`, config.join("\n") + "\n");
  const args = [
    `--config.file=${folder}/prometheus.yml`,
    `--storage.tsdb.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--log.level=error",
  ];
  return new Deno.Command("prometheus", { args, stdin: "null", stdout: "null", stderr: "null" })
    .spawn();
}

liveTest(
  "Prometheus scrapes a guest, sees a lost kick, and sees the guest go",
  missing,
  async () => {
    const folder = await Deno.makeTempDir();
    const [metrics, web] = [freePort(), freePort()];
    const demo = startGuestmem([
      "demo",
      "--for",
      "90s",
      "--break",
      "lose-kick",
      "--break-after",
      "8s",
    ]);
    const [target] = /proc:[0-9]+/.exec(await demo.line(/proc:[0-9]+/)) ?? [""];
    const watch = startGuestmem([
      "watch",
      target,
      "--metrics",
      String(metrics),
      "--interval",
      "500ms",
    ]);
    const prometheus = await startPrometheus(folder, web, metrics);
    let demoEnded = false;
    try {
      await until(
        "the guest is up",
        async () => await query(web, `guestmem_guest_up{guest="${target}"}`) === 1,
      );
      const tx = `guestmem_used_per_second{guest="${target}",device="net1",queue="tx0"}`;
      await until("packets pass", async () => (await query(web, tx) ?? 0) > 10);
      const lost = `guestmem_verdict{guest="${target}",device="blk0",verdict="lost kick"}`;
      await until("the kick is lost", async () => await query(web, lost) === 1);
      assertEquals(await query(web, `count(guestmem_verdict{guest="${target}"} == 1)`), 7);
      await demo.end("SIGINT");
      demoEnded = true;
      await until("the guest is gone", async () => await query(web, "guestmem_guest_up") === 0);
      const left = await query(web, `count(guestmem_in_flight{guest="${target}"})`);
      assert(left === null, "a dead guest's queues must have no values");
    } finally {
      prometheus.kill("SIGKILL");
      await prometheus.status;
      await watch.end("SIGINT");
      if (!demoEnded) await demo.end("SIGINT");
      await Deno.remove(folder, { recursive: true });
    }
  },
);

liveTest(
  "promtool accepts the alert rules of the docs",
  onPath("promtool") ? null : "no promtool: apt-get install prometheus",
  async () => {
    const rules = new URL("../../cli/docs/prometheus/alerts.yml", import.meta.url).pathname;
    const { success, stdout, stderr } = await new Deno.Command("promtool", {
      args: ["check", "rules", rules],
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert(success && /SUCCESS: [1-9][0-9]* rules found/.test(text), text);
  },
);
