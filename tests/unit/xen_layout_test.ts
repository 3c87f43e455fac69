/** Struct sizes and request numbers against literals printed by C from the kernel's headers. */
import { assertEquals } from "@std/assert";
import * as layout from "../../ffi/xen/layout.ts";

Deno.test("request numbers are _IOC(none, type, nr, size)", () => {
  const expected: Record<string, [type: string, nr: number, size: number]> = {
    PRIVCMD_HYPERCALL: ["P", 0, 48],
    PRIVCMD_MMAPBATCH_V2: ["P", 4, 32],
    PRIVCMD_RESTRICT: ["P", 6, 2],
    PRIVCMD_MMAP_RESOURCE: ["P", 7, 32],
    GNTDEV_MAP_GRANT_REF: ["G", 0, 24],
    GNTDEV_UNMAP_GRANT_REF: ["G", 1, 16],
    GNTDEV_GET_OFFSET_FOR_VADDR: ["G", 2, 24],
    GNTDEV_SET_MAX_GRANTS: ["G", 3, 4],
    GNTDEV_SET_UNMAP_NOTIFY: ["G", 7, 16],
    GNTDEV_GRANT_COPY: ["G", 8, 16],
    GNTALLOC_ALLOC_GREF: ["G", 5, 24],
    GNTALLOC_DEALLOC_GREF: ["G", 6, 16],
    EVTCHN_BIND_INTERDOMAIN: ["E", 1, 8],
    EVTCHN_BIND_UNBOUND_PORT: ["E", 2, 4],
    EVTCHN_UNBIND: ["E", 3, 4],
    EVTCHN_NOTIFY: ["E", 4, 4],
    EVTCHN_RESET: ["E", 5, 0],
    EVTCHN_RESTRICT_DOMID: ["E", 6, 2],
  };
  const made = Object.fromEntries(
    Object.entries(expected).map(([name, [type, nr, size]]) => [
      name,
      (size << 16) | (type.charCodeAt(0) << 8) | nr,
    ]),
  );
  assertEquals(made, { ...layout.IOCTL });
});

Deno.test("sizes and the offsets that are easy to get wrong", () => {
  assertEquals(layout.PRIVCMD_HYPERCALL.SIZE, 48);
  assertEquals([layout.PRIVCMD_MMAPBATCH_V2.SIZE, layout.PRIVCMD_MMAPBATCH_V2.err], [32, 24]);
  assertEquals([layout.PRIVCMD_MMAP_RESOURCE.SIZE, layout.PRIVCMD_MMAP_RESOURCE.num], [32, 16]);
  assertEquals([layout.GNTDEV_MAP_GRANT_REF.SIZE, layout.GNTDEV_MAP_GRANT_REF.refs], [24, 16]);
  assertEquals(layout.GNTDEV_GRANT_COPY_SEGMENT, {
    ...{ SIZE: 24, source: 0, dest: 8, foreignOffset: 4, foreignDomid: 6 },
    ...{ len: 16, flags: 18, status: 20 },
  });
  assertEquals(layout.GNTALLOC_ALLOC_GREF, {
    ...{ SIZE: 24, domid: 0, flags: 2, count: 4, index: 8, gref_ids: 16 },
  });
  assertEquals(layout.UNMAP_NOTIFY, { SIZE: 16, index: 0, action: 8, port: 12 });
  assertEquals([layout.XEN_DOMCTL.SIZE, layout.XEN_DOMCTL.u], [144, 16]);
  assertEquals(layout.GETDOMAININFO.shared_info_frame, 48);
  assertEquals(layout.GETDOMAININFO.handle, 76);
  assertEquals(layout.GNTTAB_QUERY_SIZE, {
    ...{ SIZE: 16, dom: 0, nr_frames: 4, max_nr_frames: 8, status: 12 },
  });
  assertEquals(layout.EVTCHN_STATUS, {
    ...{ SIZE: 24, dom: 0, port: 4, status: 8, vcpu: 12, domain: 16, remotePort: 20 },
  });
  assertEquals(layout.XEN_HVM_PARAM, { SIZE: 16, domid: 0, index: 4, value: 8 });
  assertEquals([layout.DOMCTL_VERSIONS[0], layout.DOMCTL_VERSIONS.at(-1)], [0x18, 0xc]);
});
