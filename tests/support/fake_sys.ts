/**
 * System calls that can fail. A fake logs what is called and in which order, fails the nth call of a
 * name with an errno, answers from a script or passes through to the real kernel, and throws for
 * whatever was not declared.
 *
 * @module
 */
import { SyscallError } from "../../ffi/errno.ts";
import type { Sys } from "../../ffi/sys.ts";

/** Names of the calls of `Sys`. */
export type CallName = {
  [K in keyof Sys]: Sys[K] extends (...args: never[]) => unknown ? K : never;
}[keyof Sys];

/** A call that is to fail. */
export interface Failure {
  readonly call: CallName;
  readonly errno: string;
  /** Which call of that name, from 1; default the first. 0 means every one. */
  readonly nth?: number;
}

/** What the fake is made of. */
export interface FakeOptions {
  /** Calls and values of the fake's own; they win over `real`. */
  readonly script?: Partial<Sys>;
  /** Answers what the script does not. */
  readonly real?: Sys;
  readonly fail?: readonly Failure[];
}

/** One call that was made, failed ones included. */
export interface LoggedCall {
  readonly call: CallName;
  readonly args: readonly unknown[];
}

/** The fake and its log, in order of the calls. */
export interface FakeSys {
  readonly sys: Sys;
  readonly log: LoggedCall[];
  /** Names in the order of the calls. */
  names(): CallName[];
}

/** Makes a fake. */
export function fakeSys(options: FakeOptions = {}): FakeSys {
  const log: LoggedCall[] = [];
  const target = {} as Sys;
  const sys = new Proxy(target, { get: (_, name) => member(options, log, name as keyof Sys) });
  return { sys, log, names: () => log.map(({ call }) => call) };
}

function member(options: FakeOptions, log: LoggedCall[], name: keyof Sys): unknown {
  const value = options.script?.[name] ?? options.real?.[name];
  if (value === undefined) throw new Error(`undeclared use of sys.${name}`);
  if (typeof value !== "function") return value;
  return (...args: unknown[]) => {
    const call = name as CallName;
    log.push({ call, args });
    const failure = chosen(options.fail ?? [], log, call);
    if (failure !== null) return failed(failure);
    return (value as (...args: unknown[]) => unknown)(...args);
  };
}

function chosen(fail: readonly Failure[], log: LoggedCall[], call: CallName): Failure | null {
  const count = log.filter((entry) => entry.call === call).length;
  const hits = (failure: Failure) => {
    const nth = failure.nth ?? 1;
    return failure.call === call && (nth === 0 || nth === count);
  };
  return fail.find(hits) ?? null;
}

/** As the real call fails: copies return, poll rejects, all others throw. */
function failed({ call, errno }: Failure): unknown {
  if (call === "copyOut" || call === "copyIn") return { length: 0, errno };
  const error = new SyscallError(call, errno, "fake");
  if (call === "poll") return Promise.reject(error);
  throw error;
}
