/**
 * The serial port of a test guest: commands in by a socket, everything out by QEMU's log file.
 *
 * @module
 */

/** Commands over a serial line whose other end is `tests/live/guest/init`. */
export class SerialLine {
  #connection: Deno.Conn | null = null;
  #drained: Promise<void> = Promise.resolve();
  #last = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(readonly socket: string, readonly logFile: string) {}

  /** All that the guest has written so far. */
  log(): string {
    try {
      return Deno.readTextFileSync(this.logFile).replaceAll("\r", "");
    } catch {
      return "";
    }
  }

  /** Runs one command; later calls wait for earlier ones. */
  run(command: string, timeoutMs: number): Promise<{ status: number; text: string }> {
    const result = this.#turn.then(() => this.#run(command, timeoutMs));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #run(command: string, timeoutMs: number): Promise<{ status: number; text: string }> {
    const id = ++this.#last;
    await this.#send(`${id} ${command.replaceAll("\n", "; ")}\n`);
    const end = performance.now() + timeoutMs;
    while (true) {
      const lines = this.log().split("\n");
      const last = lines.find((line) => line.startsWith(`@${id}! `));
      if (last !== undefined) {
        const mine = lines.filter((line) => line.startsWith(`@${id} `));
        const text = mine.map((line) => line.slice(`@${id} `.length)).join("\n");
        return { status: Number(last.split(" ")[1]), text };
      }
      if (performance.now() > end) throw new Error(`no answer from the guest to: ${command}`);
      await new Promise((done) => setTimeout(done, 10));
    }
  }

  async #send(text: string): Promise<void> {
    this.#connection ??= await this.#connect();
    const bytes = new TextEncoder().encode(text);
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#connection.write(bytes.subarray(sent));
    }
  }

  async #connect(): Promise<Deno.Conn> {
    const connection = await Deno.connect({ transport: "unix", path: this.socket });
    this.#drained = discard(connection);
    return connection;
  }

  close(): Promise<void> {
    this.#connection?.close();
    this.#connection = null;
    return this.#drained;
  }
}

/** QEMU's log has it all: reading only keeps the socket from filling up. */
async function discard(connection: Deno.Conn): Promise<void> {
  const bytes = new Uint8Array(4096);
  try {
    while (await connection.read(bytes) !== null);
  } catch {
    // Closed.
  }
}
