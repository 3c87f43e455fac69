/**
 * Runs every bench of this folder, one after the other, each in a process of its own.
 *
 * usage: deno task bench [NAME…]   (`ring_walk`, `hexdump` …)
 */
const folder = new URL("./", import.meta.url);
const names = [...Deno.readDirSync(folder)]
  .map(({ name }) => name)
  .filter((name) => name.endsWith("_bench.ts"))
  .filter((name) => Deno.args.length === 0 || Deno.args.some((wanted) => name.startsWith(wanted)))
  .sort();

let failed = 0;
for (const name of names) {
  console.log(`\n== ${name}`);
  const args = ["run", "--no-prompt", "--quiet", "-A", new URL(name, folder).pathname];
  const { success } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (!success) failed++;
}
Deno.exit(failed === 0 ? 0 : 1);
