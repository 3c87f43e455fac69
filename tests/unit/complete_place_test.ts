/** What is expected at the end of a line, and which of the names there are stand there. */
import { assertEquals } from "@std/assert";
import { type Place, placeOf } from "../../cli/complete/place.ts";
import type { CommandText, OptionText } from "../../cli/describe.ts";
import { expand, type Family } from "../../lib/source/live.ts";

function option(flags: string, more: Partial<OptionText> = {}): OptionText {
  const [, short = null, long, value = null] = /^(?:(-\w), )?(--[\w-]+)(?: <(\w+)>)?$/.exec(flags)!;
  return { long, short, value, choices: null, repeats: false, text: "", flags, ...more };
}

const DUMP: CommandText = {
  words: ["dump", "mem"],
  summary: "",
  description: "",
  arguments: ["target", "address", "length"].map((name) => ({
    name,
    required: true,
    variadic: false,
    choices: null,
    text: "",
  })),
  options: [
    option("-o, --output <file>"),
    option("--format <format>", { choices: ["hex", "raw"] }),
    option("--add <segment>", { repeats: true }),
    option("--json"),
  ],
  commands: [],
  manual: "",
  usage: "",
};

/** `target`, `=file`, `--json --add`, as short as possible. */
function shown(place: Place): string {
  if (place.kind === "value") return place.before + place.name;
  return place.kind === "option" ? place.options.map(({ long }) => long).join(" ") : place.kind;
}

function at(line: string): string {
  const words = line.split(" ");
  const fragment = words.pop()!;
  return shown(placeOf(DUMP, words, fragment));
}

Deno.test("arguments are counted without options and their values", () => {
  assertEquals(at(""), "target");
  assertEquals(at("qemu:1"), "target");
  assertEquals(at("qemu:1 "), "address");
  assertEquals(at("--json qemu:1 "), "address");
  assertEquals(at("--format raw qemu:1 -o f 0 "), "length");
  assertEquals(at("--format=raw qemu:1 "), "address");
  assertEquals(at("a b c "), "nothing");
  assertEquals(at("- "), "address");
});

Deno.test("values of options, in their own word or after an equals sign", () => {
  assertEquals(at("-o "), "file");
  assertEquals(at("--output /etc"), "file");
  assertEquals(at("--output=/etc"), "--output=file");
  assertEquals(at("--output -"), "file");
  assertEquals(at("--json=x"), "nothing");
  assertEquals(at("--nonsense=x"), "nothing");
  assertEquals(placeOf(DUMP, ["--format"], ""), {
    kind: "value",
    name: "format",
    choices: ["hex", "raw"],
    before: "",
  });
});

Deno.test("options are offered once, unless they may be repeated, and not after --", () => {
  assertEquals(at("-"), "--output --format --add --json");
  assertEquals(at("-o f --json --add x --"), "--format --add");
  assertEquals(at("--format=hex --"), "--output --add --json");
  assertEquals(at("-- -"), "target");
  assertEquals(at("-- a b "), "length");
});

Deno.test("a command that has commands takes one of them, or an option", () => {
  const parent = { ...DUMP, commands: [{ name: "mem", summary: "" }] };
  assertEquals(shown(placeOf(parent, [], "")), "command");
  assertEquals(shown(placeOf(parent, [], "--j")), "--output --format --add --json");
});

const QUEUES = [0, 1].map((index) => ({ index, name: `q${index}`, note: "" }));

function family(target: string, devices: readonly string[]): Family {
  const bus = { kind: "pci", id: "0000:00:03.0" } as const;
  return { target, text: "", devices: devices.map((name) => ({ name, bus, queues: QUEUES })) };
}

function names(families: readonly Family[], fragment: string): string[] {
  return expand(families, fragment).map(({ target }) => target);
}

Deno.test("guests, then the devices of the one that is left, then the queues of its one device", () => {
  const all = [family("qemu:1", ["blk0", "net0"]), family("qemu:12", ["blk0"])];
  assertEquals(names(all, ""), ["qemu:1", "qemu:12"]);
  assertEquals(names(all, "qemu:1"), ["qemu:1", "qemu:12"]);
  assertEquals(names(all, "qemu:1/"), ["qemu:1/blk0", "qemu:1/net0"]);
  assertEquals(names(all, "qemu:1/b"), ["qemu:1/blk0", "qemu:1/blk0:0", "qemu:1/blk0:1"]);
  assertEquals(names(all, "qemu:1/blk0:"), ["qemu:1/blk0:0", "qemu:1/blk0:1"]);
  assertEquals(names(all, "qemu:1/blk0:1"), ["qemu:1/blk0:1"]);
  assertEquals(names(all, "qemu:12")[1], "qemu:12/blk0");
  assertEquals(names(all, "qemu:2"), []);
  assertEquals(names([family("m1@s", [])], "m"), ["m1@s"]);
});
