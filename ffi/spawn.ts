/**
 * Starts a program. The one user is a terminal's pager, so that these symbols are a library of their
 * own: opening them costs time that no other command should wait.
 *
 * @module
 */
import { cString } from "./call.ts";
import { errnoName, SyscallError } from "./errno.ts";
import { libc } from "./libc.ts";

const SYMBOLS = {
  // int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *file_actions,
  //                 const posix_spawnattr_t *attrp, char *const argv[], char *const envp[])
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  // int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  // int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int newfd)
  posix_spawn_file_actions_adddup2: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  // int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  // int posix_spawnattr_init(posix_spawnattr_t *attr)
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  // int posix_spawnattr_setsigdefault(posix_spawnattr_t *attr, const sigset_t *sigdefault)
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  // int posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags)
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  // int posix_spawnattr_destroy(posix_spawnattr_t *attr)
  posix_spawnattr_destroy: { parameters: ["buffer"], result: "i32" },
  // pid_t waitpid(pid_t pid, int *wstatus, int options)
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** posix_spawn_file_actions_t (80 bytes) and posix_spawnattr_t (336 bytes) of glibc, with room. */
const OPAQUE = 512;
/** sigset_t of glibc. */
const SIGSET = 128;
const SIGPIPE = 13;
const POSIX_SPAWN_SETSIGDEF = 4;
const F_SETFL = 4;
const WNOHANG = 1;

type Spawning = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Spawning | null = null;

function spawning(): Spawning {
  return opened ??= Deno.dlopen("libc.so.6", SYMBOLS).symbols;
}

/** What to start. */
export interface Program {
  /** An absolute path. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Becomes its stdin, blocking; stays the caller's to close. */
  readonly stdin: number;
}

/** Starts a program on our stdout and stderr. Gives its pid. Throws SyscallError. */
export function spawn({ path, argv, environment, stdin }: Program): number {
  const c = spawning();
  const [actions, attributes] = [new Uint8Array(OPAQUE), new Uint8Array(OPAQUE)];
  const pid = new Int32Array(1);
  c.posix_spawn_file_actions_init(actions);
  c.posix_spawnattr_init(attributes);
  try {
    libc().fcntl(stdin, F_SETFL, 0);
    c.posix_spawn_file_actions_adddup2(actions, stdin, 0);
    // The runtime ignores SIGPIPE, which a program would inherit.
    c.posix_spawnattr_setsigdefault(attributes, signalSet(SIGPIPE));
    c.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF);
    const words = cStrings(argv);
    const variables = cStrings(
      Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    );
    const code = c.posix_spawn(
      new Uint8Array(pid.buffer),
      cString(path),
      actions,
      attributes,
      words.pointers,
      variables.pointers,
    );
    if (code !== 0) throw new SyscallError("posix_spawn", errnoName(code), path);
    return pid[0];
  } finally {
    c.posix_spawn_file_actions_destroy(actions);
    c.posix_spawnattr_destroy(attributes);
  }
}

/** Takes the status of a child that has ended, so that it does not stay as a zombie. */
export function reap(pid: number): void {
  spawning().waitpid(pid, new Uint8Array(4), WNOHANG);
}

/** An array of C strings, ended by a null pointer; `texts` keeps them from being collected. */
function cStrings(list: readonly string[]): {
  readonly texts: readonly Uint8Array[];
  readonly pointers: Uint8Array<ArrayBuffer>;
} {
  const texts = list.map(cString);
  const pointers = new BigUint64Array(list.length + 1);
  for (const [n, text] of texts.entries()) {
    pointers[n] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(text));
  }
  return { texts, pointers: new Uint8Array(pointers.buffer) };
}

function signalSet(signal: number): Uint8Array<ArrayBuffer> {
  const set = new Uint8Array(SIGSET);
  set[(signal - 1) >> 3] = 1 << ((signal - 1) & 7);
  return set;
}
