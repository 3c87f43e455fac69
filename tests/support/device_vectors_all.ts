/** All vectors of all device types. */
import type { Vector } from "./device_vectors.ts";
import * as fs from "./device_vectors_fs.ts";
import * as net from "./device_vectors_net.ts";
import * as other from "./device_vectors_other.ts";
import * as storage from "./device_vectors_storage.ts";

export const VECTORS: readonly Vector[] = [storage, fs, net, other].flatMap((group) =>
  Object.values(group).flat()
);
