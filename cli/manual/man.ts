/**
 * Man pages (man(7)) from what help prints: one for the program and one per command, so that there
 * is one text of each.
 *
 * @module
 */
import type { CommandText } from "../describe.ts";
import { type Block, blocksOf } from "./reflow.ts";

/** What all pages have in common. */
export interface ManOptions {
  readonly version: string;
  /** Of the page, as YYYY-MM-DD. */
  readonly date: string;
  /** Every command: what SEE ALSO and the program's own page list. */
  readonly all: readonly CommandText[];
}

/** `guestmem-dump-ring.1` */
export function manName({ words }: Pick<CommandText, "words">): string {
  return `${["guestmem", ...words].join("-")}.1`;
}

/** The page of a command, ending in a line end. */
export function manPage(command: CommandText, { version, date, all }: ManOptions): string {
  const name = ["guestmem", ...command.words].join("-");
  const summary = command.summary || "map and inspect virtual machine guest memory";
  return [
    `.TH ${quoted(name.toUpperCase())} 1 ${date} ${quoted(`guestmem ${version}`)} "User commands"`,
    // No hyphens at line ends, and a ragged edge: options and addresses are read letter by letter.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${roff(name)} \\- ${roff(summary)}`,
    ".SH SYNOPSIS",
    `.B ${roff(command.usage)}`,
    ".SH DESCRIPTION",
    command.description.split("\n\n").map(roff).join("\n.PP\n"),
    ...section("ARGUMENTS", command.arguments.map(({ name, text }) => [name, text])),
    ...section("OPTIONS", command.options.map(({ flags, text }) => [flags, text])),
    ...section("COMMANDS", command.commands.map(({ name, summary }) => [name, summary])),
    ...notes(command.manual),
    ".SH SEE ALSO",
    seeAlso(command, all),
  ].join("\n") + "\n";
}

/** Terms and what they mean. */
function section(head: string, items: readonly (readonly [string, string])[]): string[] {
  if (items.length === 0) return [];
  return [
    `.SH ${head}`,
    ...items.flatMap(([term, text]) => [".TP", `.B ${roff(term)}`, roff(text || "See below.")]),
  ];
}

function notes(manual: string): string[] {
  if (manual === "") return [];
  // A paragraph begins with the section: to begin another one is an error.
  return [".SH NOTES", ...blocksOf(manual).flatMap(block).slice(1)];
}

function block({ kind, lines }: Block): string[] {
  if (kind === "text") return [".PP", roff(lines[0])];
  return [".PP", ".nf", ...lines.map((line) => roff(line)), ".fi"];
}

/** The program's page names all commands, a command's page the program, its parent and its children. */
function seeAlso({ words }: CommandText, all: readonly CommandText[]): string {
  const near = words.length === 0
    ? all.filter((other) => other.words.length === 1)
    : all.filter((other) =>
      other.words.length === 0 || isChild(words, other.words) || isChild(other.words, words)
    );
  const others = near.filter((other) => other.words.join(" ") !== words.join(" "));
  const names = others.map((other) => manName(other).replace(/\.1$/, ""));
  return [...new Set(names)].map((name) => `.BR ${roff(name)} (1)`).join(" ,\n");
}

function isChild(parent: readonly string[], child: readonly string[]): boolean {
  return child.length === parent.length + 1 && parent.every((word, i) => child[i] === word);
}

/** A quoted argument of a macro. */
function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', "\\(dq")}"`;
}

/**
 * Text as groff prints it literally: `-` and `'` and `` ` `` would become typographic, a backslash begins
 * an escape, a line that begins with a dot or a quote is a request (groff_char(7)).
 */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll("\t", "    ")
    .replace(/^\./, "\\&.");
}
