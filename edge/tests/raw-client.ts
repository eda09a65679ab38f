/** Send bytes over TCP, as no HTTP client would, and read what comes back. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";

export class RawClient {
  readonly #socket: Socket;
  #received = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data) => (this.#received += data.toString("latin1")));
    socket.on("error", () => undefined);
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RawClient(socket);
  }

  send(bytes: string): void {
    this.#socket.write(bytes, "latin1");
  }

  /** Wait until the system has taken all bytes: of a large body, until the server has read most of it. */
  async sent(): Promise<void> {
    if (this.#socket.writableNeedDrain) await once(this.#socket, "drain");
  }

  get isOpen(): boolean {
    return !this.#socket.closed;
  }

  get received(): string {
    return this.#received;
  }

  /** The statuses of the responses so far. */
  get statuses(): number[] {
    return [...this.#received.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Send bytes, end the connection, and read the responses until the server closes it. */
export async function exchange(port: number, bytes: string): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.send(bytes);
  const deadline = Date.now() + 10_000;
  while (client.isOpen && client.statuses.length === 0 && Date.now() < deadline) await pause(10);
  // For a second response, which must not come.
  await pause(100);
  client.close();
  return client;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
