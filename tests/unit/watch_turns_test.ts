/** Following rings leaves a turn to everything else, however busy it is. */
import { assert } from "@std/assert";
import { RingBoard } from "../../lib/watch/board.ts";
import { Rounds } from "../../lib/watch/rounds.ts";

for (const fast of [false, true]) {
  const name = fast ? "without a pause" : "where every report comes late";
  Deno.test(`timers have their turn ${name}`, async () => {
    const { signal } = new AbortController();
    const rounds = new Rounds({ interval: 1, fast, signal, sys: { nap: () => {} } });
    let fired = false;
    const timer = setTimeout(() => fired = true, 5);
    const begin = performance.now();
    // Its end is past already, as it is when a report took longer than the interval.
    while (!fired && performance.now() - begin < 5000) await rounds.until(begin, new RingBoard([]));
    clearTimeout(timer);
    assert(fired);
  });
}
