import { assertEquals, assertRejects } from "@std/assert";
import { SourceError } from "../../lib/errors.ts";
import { replaceFile } from "../../lib/dump/replace_file.ts";
import { type Failure, fakeSys } from "../support/fake_sys.ts";
import { sys } from "../support/host.ts";

/** A folder with an old file and a link to it; gone at the end. */
async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "guestmem-replace-" });
  await Deno.writeTextFile(`${path}/old`, "old");
  await Deno.symlink("old", `${path}/link`);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function contents(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const { name } of [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    found[name] = await Deno.readTextFile(`${path}/${name}`);
  }
  return found;
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a complete file takes the old one's place, behind a link too", async () => {
  await using there = await folder();
  const answer = await replaceFile(sys, `${there.path}/link`, (file) => {
    file.append(bytes("ab"));
    file.append(bytes("cd"));
    file.writeAt(6, bytes("ef"));
    file.truncate(9);
    return Promise.resolve("done");
  });
  assertEquals(answer, "done");
  const text = "abcd\0\0ef\0";
  assertEquals(await contents(there.path), { link: text, old: text });
  assertEquals((await Deno.lstat(`${there.path}/link`)).isSymlink, true);
});

const FAILURES: Failure[] = [
  { call: "open", errno: "EACCES" },
  { call: "pwrite", errno: "ENOSPC", nth: 2 },
  { call: "ftruncate", errno: "EFBIG" },
  { call: "rename", errno: "EXDEV" },
];

for (const failure of FAILURES) {
  Deno.test(`${failure.call} failing with ${failure.errno} leaves the folder as it was`, async () => {
    await using there = await folder();
    const fake = fakeSys({ real: sys, fail: [failure] });
    const error = await assertRejects(
      () =>
        replaceFile(fake.sys, `${there.path}/old`, (file) => {
          file.append(bytes("new"));
          file.append(bytes("er"));
          file.truncate(5);
          return Promise.resolve();
        }),
      SourceError,
      failure.errno,
    );
    assertEquals(error.kind, failure.errno === "EACCES" ? "permission" : "failed");
    assertEquals(await contents(there.path), { link: "old", old: "old" });
    const count = (name: string) => fake.names().filter((call) => call === name).length;
    assertEquals(count("close"), failure.call === "open" ? 0 : 1);
  });
}

Deno.test("what the filler throws goes through, and nothing is left", async () => {
  await using there = await folder();
  await assertRejects(
    () => replaceFile(sys, `${there.path}/new`, () => Promise.reject(new RangeError("mine"))),
    RangeError,
    "mine",
  );
  assertEquals(Object.keys(await contents(there.path)), ["link", "old"]);
});

Deno.test("a short write goes on where it stopped", async () => {
  await using there = await folder();
  const script = {
    pwrite: (fd: number, source: Uint8Array, offset: number) =>
      sys.pwrite(fd, source.subarray(0, 2), offset),
  };
  const { sys: slow } = fakeSys({ real: sys, script });
  await replaceFile(slow, `${there.path}/new`, (file) => {
    file.append(bytes("seven!!"));
    return Promise.resolve();
  });
  assertEquals((await contents(there.path)).new, "seven!!");
});

Deno.test("a loop of links and a device are refused", async () => {
  await using there = await folder();
  await Deno.symlink("b", `${there.path}/a`);
  await Deno.symlink("a", `${there.path}/b`);
  const fill = () => Promise.resolve();
  await assertRejects(() => replaceFile(sys, "/dev/null", fill), SourceError, "not a regular file");
  await assertRejects(() => replaceFile(sys, `${there.path}/a`, fill), SourceError);
});
