/**
 * Registers for tests: a bank of bytes that logs each access and can react to writes.
 *
 * @module
 */
import type { Width, WritableRegisterFile } from "../../lib/transport/register_file.ts";

/** A bank of registers. */
export interface RegisterBank extends WritableRegisterFile {
  readonly view: DataView;
  /** `r16@22`, `w16@22=3`, in order. */
  readonly log: string[];
}

/** Makes one; `onWrite` runs after a write was stored. */
export function registerBank(
  length: number,
  onWrite: (offset: number, value: number, view: DataView) => void = () => {},
): RegisterBank {
  const view = new DataView(new ArrayBuffer(length));
  const log: string[] = [];
  return {
    length,
    view,
    log,
    read(offset, width) {
      log.push(`r${width}@${offset}`);
      return get(view, offset, width);
    },
    write(offset, width, value) {
      log.push(`w${width}@${offset}=${value}`);
      set(view, offset, width, value);
      onWrite(offset, value, view);
    },
  };
}

function get(view: DataView, offset: number, width: Width): number {
  if (width === 8) return view.getUint8(offset);
  return width === 16 ? view.getUint16(offset, true) : view.getUint32(offset, true);
}

function set(view: DataView, offset: number, width: Width, value: number): void {
  if (width === 8) view.setUint8(offset, value);
  else if (width === 16) view.setUint16(offset, value, true);
  else view.setUint32(offset, value, true);
}
