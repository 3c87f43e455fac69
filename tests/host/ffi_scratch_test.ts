import { assertEquals } from "@std/assert";
import { MAP_SHARED, PROT_NONE, PROT_READ, PROT_WRITE } from "../../ffi/constants.ts";
import { looseMemfd, pattern, sys } from "../support/host.ts";

const PAGE = sys.pageSize;

Deno.test("memory that is not there is an errno, not a signal", () => {
  const target = new Uint8Array(100);
  for (const address of [0n, 1n, 0x1000n, 1n << 63n, (1n << 64n) - 8n]) {
    assertEquals(sys.copyOut(address, target), { length: 0, errno: "EFAULT" });
    assertEquals(sys.copyIn(address, target), { length: 0, errno: "EFAULT" });
  }
});

Deno.test("a copy stops at the first page that may not be touched", () => {
  using fd = looseMemfd(2 * PAGE);
  const address = sys.mmap(2 * PAGE, PROT_READ, MAP_SHARED, fd.number, 0);
  try {
    assertEquals(sys.copyIn(address, pattern(8)), { length: 0, errno: "EFAULT" });
    assertEquals(sys.copyOut(address, new Uint8Array(8)), { length: 8, errno: null });
  } finally {
    sys.munmap(address, 2 * PAGE);
  }
  const hidden = sys.mmap(PAGE, PROT_NONE, MAP_SHARED, fd.number, 0);
  try {
    assertEquals(sys.copyOut(hidden, new Uint8Array(8)), { length: 0, errno: "EFAULT" });
  } finally {
    sys.munmap(hidden, PAGE);
  }
});

Deno.test("copies of every odd size keep their bytes", () => {
  using fd = looseMemfd(1024 * 1024);
  const address = sys.mmap(1024 * 1024, PROT_READ | PROT_WRITE, MAP_SHARED, fd.number, 0);
  try {
    for (const size of [0, 1, 4095, 4097, 262_143, 262_144, 262_145, 700_001]) {
      const bytes = pattern(size, size % 13);
      assertEquals(sys.copyIn(address + 3n, bytes), { length: size, errno: null });
      const target = new Uint8Array(size);
      assertEquals(sys.copyOut(address + 3n, target), { length: size, errno: null });
      assertEquals(target, bytes);
    }
  } finally {
    sys.munmap(address, 1024 * 1024);
  }
});
