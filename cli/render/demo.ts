/**
 * What `demo` says.
 *
 * @module
 */
import { BREAKS, type Demo } from "../../lib/demo/demo.ts";
import { bold } from "./colors.ts";
import { jsonLine, timeText } from "./json.ts";
import { durationText, plural } from "./size.ts";
import { renderPlain, renderTable } from "./table.ts";

/**
 * What runs, and what to type in another terminal. `program` is how the command line is started here;
 * `milliseconds` is when the demo ends, undefined for Ctrl-C. What a command does stands beside it, or
 * above it where `columns` are too few.
 */
export function demoHelp(
  { target }: Demo,
  program: string,
  milliseconds: number | undefined,
  columns: number,
): string {
  const end = milliseconds === undefined ? "until Ctrl-C" : `for ${durationText(milliseconds)}`;
  const lines = [
    ["find", "what runs on this host"],
    [`dump ring ${target}/blk0:0`, "a split ring, its requests decoded"],
    [`dump ring ${target}/blk1:0`, "a packed ring"],
    [`watch ${target}`, "all queues, live"],
    [`map ${target}`, "the memory table"],
    [`dump mem ${target} 0x100000 256`, "any bytes"],
    [`kick ${target}/blk0:0`, "notify the device"],
    [`diagnose ${target}`, "what hangs, and why"],
  ];
  const width = Math.max(...lines.map(([command]) => command.length));
  const room = Math.max(...lines.map(([, what]) => program.length + width + what.length + 5));
  const commands = lines.map(([command, what]) =>
    room <= columns
      ? `  ${bold(`${program} ${command.padEnd(width)}`)}  ${what}`
      : `  ${what}:\n    ${bold(`${program} ${command}`)}`
  );
  // A task is one of the folder that has it.
  const where = program === "guestmem"
    ? "In another terminal"
    : "In this folder, in another terminal";
  return [`demo guest ${bold(target)} runs ${end}. ${where}:`, ...commands].join("\n");
}

/** What was broken just now. */
export function demoBroken({ broken }: Demo, queue: string): string {
  return broken === null
    ? "nothing was broken yet"
    : `broke ${queue}: ${broken}, ${BREAKS[broken]}`;
}

/** How much each queue did, at the end. */
export function demoTotals(demo: Demo): string {
  const columns = [
    { head: "QUEUE" },
    { head: "SUBMITTED", align: "right" as const },
    { head: "COMPLETED", align: "right" as const },
    { head: "MOST IN FLIGHT", align: "right" as const },
    { head: "KICKS", align: "right" as const },
    { head: "CALLS", align: "right" as const },
  ];
  const stats = demo.stats();
  const rows = stats.map((queue) => [
    `${queue.device}:${queue.index}`,
    ...[queue.submitted, queue.completed, queue.mostInFlight, queue.kicks, queue.calls].map(String),
  ]);
  const completed = stats.reduce((sum, queue) => sum + queue.completed, 0);
  return `${renderTable({ columns, rows })}\n${plural(completed, "request")} completed; all closed`;
}

/** `guestmem/demo/1` */
export function demoJson({ pid, name, target }: Demo, time: number): string {
  return jsonLine("guestmem/demo/1", { time: timeText(time), target, pid, name });
}

/** What a script needs to go on: the target, the process and the guest's name. */
export function demoPlain({ pid, name, target }: Demo): string {
  return renderPlain({ columns: [], rows: [[target, `${pid}`, name]] });
}
