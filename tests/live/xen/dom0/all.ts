/**
 * Runs in dom0: all of the tests, over one pair of guests, in the order of the guests' life.
 *
 * @module
 */
import "./loopback.ts";
import "./domains.ts";
import "./pages.ts";
import "./vhost.ts";
import "./stalls.ts";
import "./sessions.ts";
import "./commands.ts";
