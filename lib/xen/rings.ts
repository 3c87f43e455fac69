/**
 * Maps the pages of a shared ring and opens it. The back-end has them mapped, too: that is no hindrance.
 *
 * @module
 */
import type { Frames } from "../../ffi/xen/frames.ts";
import { SourceError } from "../errors.ts";
import { openXenRing } from "../ring/xen/ring.ts";
import type { XenRing } from "../ring/xen/snapshot.ts";
import type { RingPages, XenRingPlace } from "./devices.ts";
import { explained, type XenHost } from "./host.ts";

/** An open ring and the end of its mapping. */
export interface MappedRing extends Disposable {
  readonly ring: XenRing;
}

/** For people: `grant 8`, `grants 8, 9`, `frame 0xa8c02`; empty for none. */
export function placeText(pages: RingPages | null): string {
  if (pages === null) return "";
  if (pages.by === "frame") return `frame 0x${pages.frame.toString(16)}`;
  return `grant${pages.refs.length === 1 ? "" : "s"} ${pages.refs.join(", ")}`;
}

/** Maps a ring read-only. Throws `SourceError` that says which page can not be mapped, and why. */
export function mapRing(host: XenHost, domain: number, place: XenRingPlace): MappedRing {
  const { pages, kind, abi } = place;
  if (pages === null) {
    const text = `${place.name} of domain ${domain} has no ring reference in xenstore`;
    throw new SourceError("xen", "map ring", "unsupported", text, "is its front-end connected?");
  }
  const frames = explained("map ring", () => mapPages(host, domain, pages));
  return {
    ring: openXenRing({ kind, abi, pages: frames }),
    [Symbol.dispose]: () => frames[Symbol.dispose](),
  };
}

function mapPages(host: XenHost, domain: number, pages: RingPages): Frames {
  if (pages.by === "frame") {
    const frames = host.privcmd.mapFrames(domain, [pages.frame]);
    return checked(frames, domain, pages, () => frames.errnoOf(0));
  }
  const grants = host.gntdev().mapGrants(domain, pages.refs);
  return checked(grants, domain, pages, (i) => grants.faultOf(i));
}

function checked(
  frames: Frames,
  domain: number,
  pages: RingPages,
  reason: (index: number) => string | null,
): Frames {
  const bad = Array.from({ length: frames.count }, (_, i) => i)
    .find((i) => frames.errnoOf(i) !== null);
  if (bad === undefined) return frames;
  const why = reason(bad);
  frames[Symbol.dispose]();
  const text = `page ${bad} of the ring at ${placeText(pages)} of domain ${domain}: ${why}`;
  throw new SourceError("xen", "map ring", "failed", text, "the device may have been reconnected");
}
