/** Command lines of QEMUs that share memory through a server. */
import { assertEquals } from "@std/assert";
import { doorbellSockets } from "../../lib/source/ivshmem_find.ts";

Deno.test("the socket behind each doorbell, however it is written", () => {
  const argv = [
    ...["qemu-system-x86_64", "-chardev", "socket,path=/run/a,id=iv"],
    ...["--chardev", "socket,id=other,path=/run/b"],
    ...["-device", "ivshmem-doorbell,vectors=2,chardev=iv"],
    ...["-device", "driver=ivshmem-flat,chardev=other"],
    ...["-device", "ivshmem-plain,memdev=m", "-device", "virtserialport,chardev=other"],
    ...["-device", "ivshmem-doorbell,chardev=gone", "-device"],
  ];
  assertEquals(doorbellSockets(argv), ["/run/a", "/run/b"]);
  assertEquals(doorbellSockets([]), []);
});
