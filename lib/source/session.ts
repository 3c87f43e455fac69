/**
 * `NAME@SESSION`: something that a session holds; `NAME@this` what the running script does.
 *
 * @module
 */
import { attachHeld } from "../session/attachment.ts";
import { borrow } from "../session/borrowed.ts";
import type { Source } from "./source.ts";

/** `NAME@SESSION` */
export const sessionSource: Source = {
  scheme: "session",
  summary: "something that a session holds, as NAME@SESSION",
  async attach(target, options) {
    const [name, session] = target.what.split("@");
    const own = options.session ?? null;
    if (own !== null && own.session === session) {
      return await borrow(own.get(name), target, options);
    }
    return await attachHeld(name, session, target, options);
  },
};
