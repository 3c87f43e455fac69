/**
 * Names of virtio devices, out of their places in QEMU's object tree.
 *
 * @module
 */

/** A virtio device as x-query-virtio lists it. */
export interface ListedDevice {
  /** `virtio-blk`: the device type's name in QEMU. */
  readonly model: string;
  /** Of the virtio device itself: `/machine/peripheral/blk0/virtio-backend`. */
  readonly path: string;
}

/** A listed device with the name that targets use for it. */
export interface NamedDevice extends ListedDevice {
  /** Unique in its guest: the `id=` of `-device`, else the model and a number. */
  readonly name: string;
  /** Of what sits on the bus: the same, or the virtio-pci device around it. */
  readonly holder: string;
}

const BACKEND = /\/virtio-backend$/;
const WITH_ID = /^\/machine\/peripheral\/([^/]+)$/;
const ORDINAL = /\[([0-9]+)\]/g;

/**
 * Names devices. Those without an id are numbered in the order in which they were made, which their
 * paths tell: x-query-virtio lists them in no order.
 */
export function nameDevices(listed: readonly ListedDevice[]): NamedDevice[] {
  const taken = new Set<string>();
  const byAge = [...listed].sort((a, b) => compare(ageOf(a.path), ageOf(b.path)));
  // Ids first: they are the operator's, and a number must not take one away.
  const withId = byAge.filter((device) => idOf(device) !== null);
  const without = byAge.filter((device) => idOf(device) === null);
  return [...withId, ...without].map((device) => {
    const name = freeName(device, taken);
    taken.add(name);
    return { ...device, name, holder: device.path.replace(BACKEND, "") };
  });
}

function idOf({ path }: ListedDevice): string | null {
  return WITH_ID.exec(path.replace(BACKEND, ""))?.[1] ?? null;
}

function freeName(device: ListedDevice, taken: ReadonlySet<string>): string {
  const id = idOf(device);
  const base = usable(id ?? device.model);
  if (id !== null && !taken.has(base)) return base;
  for (let number = 0;; number++) {
    if (!taken.has(`${base}${number}`)) return `${base}${number}`;
  }
}

/** What a target may hold as a device's name. */
function usable(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._-]/g, "_") || "device";
}

/** Numbers in a path: `/machine/peripheral-anon/device[3]` was made after `device[2]`. */
function ageOf(path: string): number[] {
  return [...path.matchAll(ORDINAL)].map((match) => Number(match[1]));
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((number, index) => number !== b[index]);
  return at < 0 ? a.length - b.length : a[at] - (b[at] ?? -1);
}
