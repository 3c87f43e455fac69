/**
 * The Test Anything Protocol, as far as Deno's reporter speaks it.
 *
 * @module
 */

/** One test of the run in dom0. */
export interface TapTest {
  readonly name: string;
  readonly ok: boolean;
  /** The failure, as TAP gives it. */
  readonly detail: string;
}

/** TAP in a console: `ok 3 - name`, `not ok 4 - name` and the lines of YAML that follow. */
export function parseTap(text: string): { tests: TapTest[]; planned: number } {
  const tests: TapTest[] = [];
  for (const part of text.split(/^(?=(?:not )?ok \d+ - )/m)) {
    const match = /^(not )?ok \d+ - (.*)$/m.exec(part);
    if (match === null || !/^(not )?ok /.test(part)) continue;
    const detail = part.slice(part.indexOf("\n") + 1).replaceAll("\\n", "\n");
    tests.push({ name: match[2], ok: match[1] === undefined, detail });
  }
  return { tests, planned: Number(/^1\.\.(\d+)$/m.exec(text)?.[1] ?? NaN) };
}
