/**
 * Commands and responses of the GPU device: virtio 1.4, 5.7.6.8 to 5.7.6.10. The layouts are of what
 * follows `struct virtio_gpu_ctrl_hdr`. 3D layouts are Linux uapi `linux/virtio_gpu.h`'s.
 *
 * @module
 */
import { flags, group, type Layout, list, named, pad, raw, text, u32, u64 } from "./kind.ts";

/** `struct virtio_gpu_mem_entry`. */
export const MEMORY_ENTRY = { addr: u64, length: u32, padding: pad(4) };

const FORMATS = {
  1: "B8G8R8A8",
  2: "B8G8R8X8",
  3: "A8R8G8B8",
  4: "X8R8G8B8",
  67: "R8G8B8A8",
  68: "X8B8G8R8",
  121: "A8B8G8R8",
  134: "R8G8B8X8",
};
const CAPSETS = { 1: "VIRGL", 2: "VIRGL2", 3: "GFXSTREAM", 4: "VENUS", 5: "CROSS_DOMAIN" };

const padding = pad(4);
const r = group({ x: u32, y: u32, width: u32, height: u32 });
const box = group({ x: u32, y: u32, z: u32, w: u32, h: u32, d: u32 });
const format = named(u32, FORMATS);
const resource = { resourceId: u32, padding };
const transfer3d = {
  box,
  offset: u64,
  resourceId: u32,
  level: u32,
  stride: u32,
  layerStride: u32,
};
const cursor = {
  scanoutId: u32,
  x: u32,
  y: u32,
  posPadding: padding,
  resourceId: u32,
  hotX: u32,
  hotY: u32,
  padding,
};

/** Name and layout by code. */
export interface Codes {
  readonly [code: number]: readonly [name: string, layout?: Layout];
}

/** Requests: 2D from 0x100, 3D from 0x200, cursor from 0x300. */
export const COMMANDS: Codes = {
  0x100: ["GET_DISPLAY_INFO"],
  0x101: ["RESOURCE_CREATE_2D", { resourceId: u32, format, width: u32, height: u32 }],
  0x102: ["RESOURCE_UNREF", resource],
  0x103: ["SET_SCANOUT", { r, scanoutId: u32, resourceId: u32 }],
  0x104: ["RESOURCE_FLUSH", { r, ...resource }],
  0x105: ["TRANSFER_TO_HOST_2D", { r, offset: u64, ...resource }],
  0x106: ["RESOURCE_ATTACH_BACKING", { resourceId: u32, nrEntries: u32 }],
  0x107: ["RESOURCE_DETACH_BACKING", resource],
  0x108: ["GET_CAPSET_INFO", { capsetIndex: u32, padding }],
  0x109: ["GET_CAPSET", { capsetId: named(u32, CAPSETS), capsetVersion: u32 }],
  0x10a: ["GET_EDID", { scanout: u32, padding }],
  0x10b: ["RESOURCE_ASSIGN_UUID", resource],
  0x10c: ["RESOURCE_CREATE_BLOB", {
    resourceId: u32,
    blobMem: named(u32, { 1: "GUEST", 2: "HOST3D", 3: "HOST3D_GUEST" }),
    blobFlags: flags(u32, ["USE_MAPPABLE", "USE_SHAREABLE", "USE_CROSS_DEVICE"]),
    nrEntries: u32,
    blobId: u64,
    size: u64,
  }],
  0x10d: ["SET_SCANOUT_BLOB", {
    r,
    scanoutId: u32,
    resourceId: u32,
    width: u32,
    height: u32,
    format,
    padding,
    strides: list(4, u32),
    offsets: list(4, u32),
  }],
  0x200: ["CTX_CREATE", { nlen: u32, contextInit: u32, debugName: text(64) }],
  0x201: ["CTX_DESTROY"],
  0x202: ["CTX_ATTACH_RESOURCE", resource],
  0x203: ["CTX_DETACH_RESOURCE", resource],
  0x204: ["RESOURCE_CREATE_3D", {
    resourceId: u32,
    target: u32,
    format,
    bind: u32,
    width: u32,
    height: u32,
    depth: u32,
    arraySize: u32,
    lastLevel: u32,
    nrSamples: u32,
    flags: u32,
    padding,
  }],
  0x205: ["TRANSFER_TO_HOST_3D", transfer3d],
  0x206: ["TRANSFER_FROM_HOST_3D", transfer3d],
  0x207: ["SUBMIT_3D", { size: u32, padding }],
  0x208: ["RESOURCE_MAP_BLOB", { ...resource, offset: u64 }],
  0x209: ["RESOURCE_UNMAP_BLOB", resource],
  0x300: ["UPDATE_CURSOR", cursor],
  0x301: ["MOVE_CURSOR", cursor],
};

/** Responses; that of display information has a list that is decoded apart. */
export const RESPONSES: Codes = {
  0x1100: ["OK_NODATA"],
  0x1101: ["OK_DISPLAY_INFO"],
  0x1102: ["OK_CAPSET_INFO", {
    capsetId: named(u32, CAPSETS),
    capsetMaxVersion: u32,
    capsetMaxSize: u32,
    padding,
  }],
  0x1103: ["OK_CAPSET"],
  0x1104: ["OK_EDID", { size: u32, padding }],
  0x1105: ["OK_RESOURCE_UUID", { uuid: raw(16) }],
  0x1106: ["OK_MAP_INFO", {
    mapInfo: named(u32, ["CACHE_NONE", "CACHE_CACHED", "CACHE_UNCACHED", "CACHE_WC"]),
    padding,
  }],
  0x1200: ["ERR_UNSPEC"],
  0x1201: ["ERR_OUT_OF_MEMORY"],
  0x1202: ["ERR_INVALID_SCANOUT_ID"],
  0x1203: ["ERR_INVALID_RESOURCE_ID"],
  0x1204: ["ERR_INVALID_CONTEXT_ID"],
  0x1205: ["ERR_INVALID_PARAMETER"],
};
