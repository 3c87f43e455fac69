/**
 * What a check of this machine says. Each check does the thing itself, on ourselves, instead of
 * guessing from versions and settings.
 *
 * @module
 */
import { isSyscallFailure } from "../errors.ts";

/** `limited`: works, but not for everything. `absent`: not there, and only some need it. */
export type CheckState = "ok" | "limited" | "missing" | "absent";

/** One line of the doctor's table. */
export interface Check {
  readonly area: "host" | "memory" | "process" | "xen" | "source" | "kick" | "guests";
  readonly name: string;
  readonly state: CheckState;
  /** What was seen. */
  readonly detail: string;
  /** What to do about it; empty where all is well. */
  readonly remedy: string;
}

/** A check without its place in the table. */
export type Outcome = Omit<Check, "area" | "name">;

/** All is well. */
export function good(detail: string): Outcome {
  return { state: "ok", detail, remedy: "" };
}

/** It works, but not for everything. */
export function limited(detail: string, remedy: string): Outcome {
  return { state: "limited", detail, remedy };
}

/** It is not there, and only some need it. */
export function absent(detail: string, remedy: string): Outcome {
  return { state: "absent", detail, remedy };
}

/** It should work and does not. */
export function missing(detail: string, remedy: string): Outcome {
  return { state: "missing", detail, remedy };
}

/** Runs a check that throws where something is missing. */
export function tried(detail: string, run: () => void): Outcome {
  try {
    run();
    return good(detail);
  } catch (error) {
    if (!isSyscallFailure(error)) throw error;
    const remedy = error.errno === "ENOSYS"
      ? "needs Linux 5.6 or later"
      : "allow the call in the container's seccomp profile";
    return missing(error.message, remedy);
  }
}

/** The same outcome, as far as it is one of two: for what needs both. */
export function both(first: Outcome, second: Outcome): Outcome {
  const order: readonly CheckState[] = ["ok", "limited", "absent", "missing"];
  return order.indexOf(second.state) > order.indexOf(first.state) ? second : first;
}
