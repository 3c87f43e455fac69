/**
 * Request numbers and struct layouts of Xen's device nodes, in bytes, LP64, native endian. The same
 * on x86-64 and aarch64. Source: Linux 7.2 uapi `xen/{privcmd,gntdev,gntalloc,evtchn}.h` and Xen's
 * public headers `{xen,domctl,grant_table,event_channel,memory}.h` and `hvm/params.h`, printed by C.
 *
 * @module
 */

/** ioctl request numbers, by the headers' names. */
export const IOCTL = {
  PRIVCMD_HYPERCALL: 0x305000,
  PRIVCMD_MMAPBATCH_V2: 0x205004,
  PRIVCMD_RESTRICT: 0x25006,
  PRIVCMD_MMAP_RESOURCE: 0x205007,
  GNTDEV_MAP_GRANT_REF: 0x184700,
  GNTDEV_UNMAP_GRANT_REF: 0x104701,
  GNTDEV_GET_OFFSET_FOR_VADDR: 0x184702,
  GNTDEV_SET_MAX_GRANTS: 0x44703,
  GNTDEV_SET_UNMAP_NOTIFY: 0x104707,
  GNTDEV_GRANT_COPY: 0x104708,
  GNTALLOC_ALLOC_GREF: 0x184705,
  GNTALLOC_DEALLOC_GREF: 0x104706,
  EVTCHN_BIND_INTERDOMAIN: 0x84501,
  EVTCHN_BIND_UNBOUND_PORT: 0x44502,
  EVTCHN_UNBIND: 0x44503,
  EVTCHN_NOTIFY: 0x44504,
  EVTCHN_RESET: 0x4505,
  EVTCHN_RESTRICT_DOMID: 0x24506,
} as const;

/** Name of an ioctl without its `IOCTL_` prefix. */
export type XenIoctl = keyof typeof IOCTL;

/** Bytes of a frame in every Xen interface, whatever the kernel's page size. */
export const FRAME_SIZE = 4096;

/** struct privcmd_hypercall. `arg` is five u64. */
export const PRIVCMD_HYPERCALL = { SIZE: 48, op: 0, arg: 8 } as const;

/** struct privcmd_mmapbatch_v2. `arr` points to u64 frames, `err` to int. */
export const PRIVCMD_MMAPBATCH_V2 = {
  SIZE: 32,
  num: 0,
  dom: 4,
  addr: 8,
  arr: 16,
  err: 24,
} as const;

/** struct privcmd_mmap_resource. */
export const PRIVCMD_MMAP_RESOURCE = {
  SIZE: 32,
  dom: 0,
  type: 4,
  id: 8,
  idx: 12,
  num: 16,
  addr: 24,
} as const;

/** struct ioctl_gntdev_map_grant_ref: `refs` are `count` pairs of u32 domid and u32 reference. */
export const GNTDEV_MAP_GRANT_REF = { SIZE: 24, count: 0, index: 8, refs: 16, refSize: 8 } as const;

/** struct ioctl_gntdev_unmap_grant_ref. */
export const GNTDEV_UNMAP_GRANT_REF = { SIZE: 16, index: 0, count: 8 } as const;

/** struct ioctl_gntdev_get_offset_for_vaddr. */
export const GNTDEV_GET_OFFSET_FOR_VADDR = { SIZE: 24, vaddr: 0, offset: 8, count: 16 } as const;

/** struct ioctl_gntdev_unmap_notify, and gntalloc's of the same shape. */
export const UNMAP_NOTIFY = { SIZE: 16, index: 0, action: 8, port: 12 } as const;

/** Bits of `UNMAP_NOTIFY.action`. */
export const UNMAP_NOTIFY_ACTION = { CLEAR_BYTE: 1, SEND_EVENT: 2 } as const;

/** struct ioctl_gntdev_grant_copy. */
export const GNTDEV_GRANT_COPY = { SIZE: 16, count: 0, segments: 8 } as const;

/** struct gntdev_grant_copy_segment. A foreign side is u32 reference, u16 offset, u16 domid. */
export const GNTDEV_GRANT_COPY_SEGMENT = {
  SIZE: 24,
  source: 0,
  dest: 8,
  foreignOffset: 4,
  foreignDomid: 6,
  len: 16,
  flags: 18,
  status: 20,
} as const;

/** Bits of a copy segment's flags. */
export const GNTCOPY = { source_gref: 1, dest_gref: 2 } as const;

/** struct ioctl_gntalloc_alloc_gref: `gref_ids` are `count` u32, written by the kernel. */
export const GNTALLOC_ALLOC_GREF = {
  SIZE: 24,
  domid: 0,
  flags: 2,
  count: 4,
  index: 8,
  gref_ids: 16,
} as const;

/** Bit of `GNTALLOC_ALLOC_GREF.flags`: the other domain may write. */
export const GNTALLOC_FLAG_WRITABLE = 1;

/** struct ioctl_gntalloc_dealloc_gref. */
export const GNTALLOC_DEALLOC_GREF = { SIZE: 16, index: 0, count: 8 } as const;

/** struct ioctl_evtchn_bind_interdomain. */
export const EVTCHN_BIND_INTERDOMAIN = { SIZE: 8, remote_domain: 0, remote_port: 4 } as const;

/** Numbers of the hypercalls that are made here. */
export const HYPERVISOR = {
  memory_op: 12,
  xen_version: 17,
  grant_table_op: 20,
  event_channel_op: 32,
  hvm_op: 34,
  domctl: 36,
} as const;

/** Sub-operations of those hypercalls. */
export const SUBOP = {
  XENMEM_maximum_gpfn: 14,
  XENMEM_get_pod_target: 17,
  XENVER_version: 0,
  XENVER_extraversion: 1,
  XENVER_get_features: 6,
  GNTTABOP_query_size: 6,
  GNTTABOP_get_version: 10,
  EVTCHNOP_send: 4,
  EVTCHNOP_status: 5,
  HVMOP_get_param: 1,
  XEN_DOMCTL_getdomaininfo: 5,
} as const;

/** struct xen_domctl; `u` is where the command's own struct begins. */
export const XEN_DOMCTL = { SIZE: 144, cmd: 0, interface_version: 4, domain: 8, u: 16 } as const;

/**
 * struct xen_domctl_getdomaininfo, from the start of `u`. These offsets are the same in every
 * release from 4.8 to 4.22.
 */
export const GETDOMAININFO = {
  domain: 0,
  flags: 4,
  tot_pages: 8,
  max_pages: 16,
  outstanding_pages: 24,
  shr_pages: 32,
  paged_pages: 40,
  shared_info_frame: 48,
  cpu_time: 56,
  nr_online_vcpus: 64,
  max_vcpu_id: 68,
  handle: 76,
} as const;

/** `XEN_DOMCTL_INTERFACE_VERSION` of Xen 4.22 down to 4.8: the hypervisor takes only its own. */
export const DOMCTL_VERSIONS = [
  0x18,
  0x17,
  0x16,
  0x15,
  0x14,
  0x13,
  0x12,
  0x11,
  0x10,
  0xe,
  0xd,
  0xc,
] as const;

/** struct xen_pod_target. */
export const XEN_POD_TARGET = {
  SIZE: 40,
  target_pages: 0,
  tot_pages: 8,
  pod_cache_pages: 16,
  pod_entries: 24,
  domid: 32,
} as const;

/** struct gnttab_query_size. */
export const GNTTAB_QUERY_SIZE = {
  SIZE: 16,
  dom: 0,
  nr_frames: 4,
  max_nr_frames: 8,
  status: 12,
} as const;

/** struct gnttab_get_version. */
export const GNTTAB_GET_VERSION = { SIZE: 8, dom: 0, version: 4 } as const;

/** struct evtchn_status. */
export const EVTCHN_STATUS = {
  SIZE: 24,
  dom: 0,
  port: 4,
  status: 8,
  vcpu: 12,
  domain: 16,
  remotePort: 20,
} as const;

/** struct xen_hvm_param. */
export const XEN_HVM_PARAM = { SIZE: 16, domid: 0, index: 4, value: 8 } as const;

/** struct xen_feature_info. */
export const XEN_FEATURE_INFO = { SIZE: 8, submap_idx: 0, submap: 4 } as const;

/** Types of `PRIVCMD_MMAP_RESOURCE`. */
export const RESOURCE = { ioreq_server: 0, grant_table: 1, vmtrace_buf: 2 } as const;
