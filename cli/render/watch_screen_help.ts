/**
 * The help of the full-screen view.
 *
 * @module
 */

/** Its lines. They fit into 76 columns. */
export const HELP_LINES: readonly string[] = [
  "Keys",
  "  up down, k j        move; in a queue and here, scroll",
  "  PageUp PageDown     a page up or down (also Ctrl-B, Ctrl-F)",
  "  Home End, g G       to the first or last; at Home the cursor stays",
  "                      with the worst, whichever queue that is",
  "  Enter, right, l     open the queue: its chains and their requests",
  "  Esc, q, left, h     back from a queue",
  "  d                   in a queue: with every descriptor, or without",
  "  K                   kick the queue: says what it will signal, and asks",
  "  s S                 sort by the next or the previous: worst, busiest,",
  "                      in flight, oldest, by name",
  "  /                   filter by target, device, queue or verdict;",
  "                      Enter keeps the filter, Esc clears it",
  "  p, Space            pause: the picture stands, the guest runs on",
  "  ?                   this help",
  "  Ctrl-Z              stop, for the shell's fg",
  "  q, Ctrl-C           quit",
  "",
  "The ring, from slot 0 on the left; a cell stands for one slot or more",
  "  #  fetched by the device, where that is known",
  "  =  available: with the device, not known to be fetched",
  "  :  used since the line before",
  "  .  with the driver",
  "  |  where both sides stand, when the device has nothing",
  "",
  "The columns",
  "  VERDICT   what the queue is stuck on; moving and idle are well. Narrow:",
  "            `not consuming` and `suppressed` are the device's doing,",
  "            `not reaping` is the driver's",
  "  NOW MAX   buffers with the device (packed: slots), now and at worst",
  "  USED/S    given back by the device per second; `?`: too fast to count",
  "  AVERAGE   the same since the start",
  "  HISTORY   USED/S of the reports past, the newest on the right, as parts",
  "            of the highest that is shown; `?` is not known",
  "  OLDEST    how long the oldest request has been with the device, at least",
  "  NOTIFY    what each side wants to hear: kick the device, call the driver",
  "  AVAIL     where the driver stands: a running index (packed: a slot)",
  "  USED      where the device stands",
];
