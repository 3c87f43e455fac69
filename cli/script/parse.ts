/**
 * The language of scripts: one command a line, in the words of the command line.
 *
 * ```text
 * # a comment
 * let m = map qemu:4242                     $m is m1@this
 * let r = dump ring $m/blk0:0 --json        $r.used.index is a field of its JSON
 * print "used index ${r.used.index}"
 * expect $r.inFlight < 64
 * ```
 *
 * Words are split at blanks; '…' is taken as it is, "…" with variables filled in, and a backslash takes
 * the next character as it is. A variable is one word, whatever is in it.
 *
 * @module
 */

/** A wrong line: where, what, and what would be right. Columns and lines count from 1. */
export class ScriptError extends Error {
  override readonly name = "ScriptError";
  constructor(
    readonly line: number,
    readonly column: number,
    message: string,
    readonly remedy = "",
  ) {
    super(message);
  }
}

/** `$name.field[0]`. */
export interface Variable {
  readonly name: string;
  readonly path: readonly (string | number)[];
  readonly column: number;
}

/** A word: pieces of text and variables, side by side. */
export interface Word {
  readonly column: number;
  readonly parts: readonly (string | Variable)[];
}

/** One command. */
export interface Statement {
  readonly line: number;
  /** The variable that gets what the command prints; null where it is printed. */
  readonly result: string | null;
  /** At least one. */
  readonly words: readonly Word[];
}

/** Characters that mean something to a shell, and that nobody types here to be taken as they are. */
const SPECIAL = "|;&<>`";

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const FIELD = /\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]{1,9})\]/y;

/** Parses a script. Throws {@linkcode ScriptError} for the first line that is wrong. */
export function parseScript(text: string): Statement[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const statement = parseLine(line, index + 1);
    return statement === null ? [] : [statement];
  });
}

/** Parses a line; null for an empty one. Throws {@linkcode ScriptError}. */
export function parseLine(text: string, line: number): Statement | null {
  const words = parseWords(text, line);
  if (words.length === 0) return null;
  if (plain(words[0]) !== "let") return { line, result: null, words };
  const [, name, sign, ...command] = words;
  const result = name === undefined ? null : plain(name);
  const rest = text.length + 1;
  const wanted = "want: let NAME = COMMAND";
  if (result === null || !isName(result)) {
    throw new ScriptError(line, name?.column ?? rest, "let without a variable's name", wanted);
  }
  if (sign === undefined || plain(sign) !== "=") {
    throw new ScriptError(line, sign?.column ?? rest, `no = after let ${result}`, wanted);
  }
  if (command.length > 0) return { line, result, words: command };
  throw new ScriptError(line, rest, `no command after let ${result} =`, wanted);
}

/** The text of a word without variables; null for one with some. */
export function plain(word: Word): string | null {
  return word.parts.every((part) => typeof part === "string") ? word.parts.join("") : null;
}

function isName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
}

/** Where the parser stands. */
interface Cursor {
  readonly text: string;
  readonly line: number;
  at: number;
  /** Characters that are refused outside of quotes. */
  special: string;
}

function parseWords(text: string, line: number): Word[] {
  const cursor: Cursor = { text, line, at: 0, special: SPECIAL };
  const words: Word[] = [];
  while (true) {
    while (isBlank(text[cursor.at])) cursor.at++;
    const first = text[cursor.at];
    if (first === undefined || first === "#") return words;
    words.push(parseWord(cursor));
    // What `expect` compares with.
    if (plain(words[0]) === "expect") cursor.special = SPECIAL.replace(/[<>]/g, "");
  }
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

function parseWord(cursor: Cursor): Word {
  const column = cursor.at + 1;
  const parts: (string | Variable)[] = [];
  const { text } = cursor;
  while (cursor.at < text.length && !isBlank(text[cursor.at])) {
    const character = text[cursor.at];
    if (character === "'") parts.push(singleQuoted(cursor));
    else if (character === '"') parts.push(...doubleQuoted(cursor));
    else if (character === "$") parts.push(variable(cursor));
    else if (character === "\\") parts.push(escaped(cursor));
    else if (cursor.special.includes(character)) throw special(cursor, character);
    else {
      parts.push(character);
      cursor.at++;
    }
  }
  return { column, parts };
}

function special({ line, at }: Cursor, character: string): ScriptError {
  const text = `"${character}" means nothing here`;
  const remedy = `a script has one command a line, and no pipes; quote it if it is meant`;
  return new ScriptError(line, at + 1, text, remedy);
}

function singleQuoted(cursor: Cursor): string {
  const end = cursor.text.indexOf("'", cursor.at + 1);
  if (end < 0) throw unclosed(cursor, cursor.at, "'");
  const inside = cursor.text.slice(cursor.at + 1, end);
  cursor.at = end + 1;
  return inside;
}

function doubleQuoted(cursor: Cursor): (string | Variable)[] {
  const { text, at: start } = cursor;
  const parts: (string | Variable)[] = [];
  cursor.at++;
  while (true) {
    const character = text[cursor.at];
    if (character === undefined) throw unclosed(cursor, start, '"');
    if (character === '"') break;
    if (character === "$") parts.push(variable(cursor));
    else if (character === "\\" && /["\\$]/.test(text[cursor.at + 1] ?? "")) {
      parts.push(escaped(cursor));
    } else {
      parts.push(character);
      cursor.at++;
    }
  }
  cursor.at++;
  return parts.length === 0 ? [""] : parts;
}

function unclosed({ line }: Cursor, at: number, quote: string): ScriptError {
  return new ScriptError(line, at + 1, `no closing ${quote}`, "a command is one line");
}

function escaped(cursor: Cursor): string {
  const next = cursor.text[cursor.at + 1];
  if (next === undefined) {
    const text = "a backslash at the end of a line";
    throw new ScriptError(cursor.line, cursor.at + 1, text, "a command is one line");
  }
  cursor.at += 2;
  return next;
}

/** `$name.path` or `${name.path}`. */
function variable(cursor: Cursor): Variable {
  const { text, line, at: start } = cursor;
  const braced = text[start + 1] === "{";
  const name = match(cursor, NAME, start + (braced ? 2 : 1))?.[0];
  if (name === undefined) {
    const remedy = "write $NAME, or \\$ for the character";
    throw new ScriptError(line, start + 1, "a $ without a variable's name", remedy);
  }
  const path: (string | number)[] = [];
  for (let field = match(cursor, FIELD); field !== null; field = match(cursor, FIELD)) {
    path.push(field[1] ?? Number(field[2]));
  }
  if (braced && text[cursor.at++] !== "}") {
    throw new ScriptError(line, start + 1, "no closing }", "want ${NAME} or ${NAME.field}");
  }
  return { name, path, column: start + 1 };
}

/** Matches where the cursor stands, and moves it behind the match. */
function match(cursor: Cursor, pattern: RegExp, at = cursor.at): RegExpExecArray | null {
  pattern.lastIndex = at;
  const found = pattern.exec(cursor.text);
  if (found !== null) cursor.at = pattern.lastIndex;
  return found;
}
