/**
 * Sends the kicks of `guestmem kick`, and shows what came of each.
 *
 * @module
 */
import type { Kick, KickProof } from "../../lib/kick/kick.ts";
import { type Movement, observeMovement } from "../../lib/kick/movement.ts";
import type { Ring } from "../../lib/ring/snapshot.ts";
import type { Context } from "../context.ts";
import { jsonLine, timeText } from "../render/json.ts";
import { kickPlain, kicksText, kickText } from "../render/kick.ts";

/** What to send. */
export interface KickRun {
  readonly kick: Kick;
  /** null where the queue has no ring that can be read. */
  readonly ring: Ring | null;
  /** Members that every line of JSON has. */
  readonly plan: Readonly<Record<string, unknown>> & { readonly target: string };
  /** At least 1. */
  readonly count: number;
  /** Milliseconds from one kick to the next. */
  readonly interval: number;
  readonly form: "text" | "plain" | "json";
}

/** How long to look for movement after a kick, in milliseconds. */
export const LOOK = 200;

/** Sends one kick, and looks up to `look` milliseconds for what comes of it. */
export async function proveKick(
  kick: Kick,
  ring: Ring | null,
  look: number,
  signal: AbortSignal,
): Promise<KickProof & { readonly moved: Movement }> {
  const movement = observeMovement(ring);
  const { evidence } = await kick.send();
  return { evidence, moved: await movement(look, signal) };
}

/** Sends, until all are sent or Ctrl-C. Throws what `Kick.send` throws. */
export async function sendKicks(context: Context, run: KickRun): Promise<void> {
  const { count, interval, ring, form } = run;
  const start = performance.now();
  const whole = observeMovement(ring);
  let sent = 0;
  while (sent < count && !context.signal.aborted) {
    if (sent > 0) await waitUntil(start + sent * interval, context.signal);
    if (context.signal.aborted) break;
    sent++;
    const look = sent < count ? Math.min(LOOK, interval) : LOOK;
    await sendOne(context, run, sent, look);
  }
  if (count === 1 || form !== "text") return;
  await context.print(kicksText(sent, performance.now() - start, await whole(0, null)));
}

async function sendOne(
  context: Context,
  { kick, ring, plan, count, form }: KickRun,
  number: number,
  look: number,
): Promise<void> {
  const time = timeText(Date.now());
  const { evidence, moved } = await proveKick(kick, ring, look, context.signal);
  const numbered = count === 1 ? {} : { number };
  const told = { ...plan, time, sent: true, ...numbered, evidence, ...moved };
  const heading = count === 1 ? "" : `${number}/${count} `;
  const line = {
    json: () => jsonLine("guestmem/kick/1", told),
    plain: () => kickPlain(plan.target, kick.name, evidence, moved),
    text: () => heading + kickText(evidence, moved, look),
  };
  await context.print(line[form]());
}

/** Waits until a time of `performance.now()`, or Ctrl-C. */
async function waitUntil(time: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.max(0, time - performance.now()));
  const stop = () => resolve();
  signal.addEventListener("abort", stop, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
}
