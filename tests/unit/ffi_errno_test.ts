import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { errnoCode, errnoName, errnoText, isErrno, SyscallError } from "../../ffi/errno.ts";
import { isSyscallFailure, type SyscallFailure } from "../../lib/errors.ts";

/** Printed by a C program; the same on x86-64 and aarch64. */
const PRINTED: Record<string, number> = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  ERANGE: 34,
  ENOSYS: 38,
  ENODATA: 61,
  EPROTO: 71,
  EOPNOTSUPP: 95,
  EISCONN: 106,
  ENOTCONN: 107,
  ETOOMANYREFS: 109,
};

Deno.test("errno names and numbers are those of the headers", () => {
  for (const [name, code] of Object.entries(PRINTED)) {
    assertEquals(errnoCode(name), code, name);
    assertEquals(errnoName(code), name);
  }
});

Deno.test("an errno without a name keeps its number", () => {
  assertEquals(errnoName(4095), "errno 4095");
  assertEquals(errnoText("errno 4095"), "");
  assertThrows(() => errnoCode("EWHAT"), RangeError, "EWHAT");
});

Deno.test("the error names the call, the object, the errno and the remedy", () => {
  const error = new SyscallError("open", "EACCES", "/dev/x", "run as root");
  assertEquals(error.message, "open /dev/x: EACCES (permission denied); run as root");
  assertEquals(new SyscallError("read", "EIO", 7).message, "read fd 7: EIO (input/output error)");
  assertStringIncludes(new SyscallError("ioctl", "errno 599", "X").message, "ioctl X: errno 599");
});

Deno.test("lib recognises the error by its shape", () => {
  const error: SyscallFailure = new SyscallError("mmap", "ENOMEM", 3);
  assertEquals(isSyscallFailure(error), true);
  assertEquals(error.subject, "fd 3");
});

Deno.test("isErrno asks for names", () => {
  const error = new SyscallError("open", "ENOENT", "x");
  assertEquals(isErrno(error), true);
  assertEquals(isErrno(error, "EACCES", "ENOENT"), true);
  assertEquals(isErrno(error, "EACCES"), false);
  assertEquals(isErrno(new Error("ENOENT"), "ENOENT"), false);
});
