/** One WebSocket: turns a client's frames into requests to the chat function, and their responses into frames. */

import { encodeFrame, InvalidFrame, parseFrame, type ClientFrame } from "./frames";
import { readEvents } from "./server-sent-events";

/** Requests of one connection that may run at once. */
export const MAX_RUNNING = 4;
export const HEARTBEAT_MS = 20_000;
/** A connection is closed if its client sends nothing for so long and no answer is running. */
export const IDLE_MS = 600_000;

const DONE = "[DONE]";
const PROTOCOL_ERROR = { code: 1003, reason: "Send frames as text." };
const IDLE = { code: 1000, reason: "Idle" };

/** Send a request through the Worker, as if a client had sent it. Never throws. */
export type Handle = (request: Request) => Promise<Response>;

export class Connection {
  #running = 0;
  #heardAt = Date.now();
  #isClosed = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `upgrade`: the request that opened the connection, with the caller's `Authorization`. */
  constructor(
    private readonly socket: WebSocket,
    private readonly upgrade: Request,
    private readonly handle: Handle,
  ) {}

  /** Serve the socket until it is closed. */
  start({ heartbeatMs = HEARTBEAT_MS, idleMs = IDLE_MS } = {}): void {
    this.#timer = setInterval(() => {
      if (this.#running === 0 && Date.now() - this.#heardAt >= idleMs) this.#close(IDLE);
      else this.#send(encodeFrame("", "heartbeat"));
    }, heartbeatMs);
    this.socket.addEventListener("message", ({ data }) => {
      this.#heardAt = Date.now();
      if (typeof data === "string") this.receive(data);
      else this.#close(PROTOCOL_ERROR);
    });
    for (const event of ["close", "error"] as const) {
      this.socket.addEventListener(event, () => {
        this.#close({ code: 1000, reason: "" });
      });
    }
    this.socket.accept();
  }

  /** Handle a frame. */
  receive(text: string): void {
    try {
      const frame = parseFrame(text);
      if (frame.type === "ping") this.#send(encodeFrame(frame.id, "pong"));
      else if (this.#running >= MAX_RUNNING) this.#fail(frame.id, TOO_MANY);
      else void this.#run(frame);
    } catch (error) {
      if (!(error instanceof InvalidFrame)) throw error;
      this.#fail(error.id, { type: "about:blank", ...error.problem });
    }
  }

  async #run(frame: Exclude<ClientFrame, { type: "ping" }>): Promise<void> {
    this.#running += 1;
    try {
      const response = await this.handle(this.#requestFor(frame));
      if (!response.ok) this.#send(encodeFrame(frame.id, "error", await response.text()));
      else if (frame.type === "stop") this.#send(encodeFrame(frame.id, "stopped", await response.text()));
      else if (response.status === 204 || !response.body) this.#send(encodeFrame(frame.id, "idle"));
      else await this.#forward(frame.conversation, response.body as ReadableStream<Uint8Array>);
    } catch (error) {
      console.warn(JSON.stringify({ severity: "WARNING", message: "WebSocket stream failed", error: String(error) }));
      this.#fail(frame.id, BROKEN);
    } finally {
      this.#running -= 1;
    }
  }

  /** Send the events of an answer, until its end or until the client has gone. */
  async #forward(conversation: string, body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const { id, data } of readEvents(body)) {
      if (this.#isClosed) return;
      const frameId = id === "" ? conversation : `${conversation}/${id}`;
      this.#send(data === DONE ? encodeFrame(frameId, "done") : encodeFrame(frameId, "part", data));
      if (data === DONE) return;
    }
    if (!this.#isClosed) throw new Error("The stream ended before the answer.");
  }

  #requestFor(frame: Exclude<ClientFrame, { type: "ping" }>): Request {
    const url = new URL("/api/chat", this.upgrade.url);
    const headers = new Headers({ "content-type": "application/json" });
    for (const [name, value] of this.upgrade.headers) headers.set(name, value);
    if (frame.type === "ask") return new Request(url, { method: "POST", headers, body: frame.body });
    url.pathname += `/${frame.conversation}/${frame.type === "stop" ? "stop" : "stream"}`;
    if (frame.type === "resume" && frame.after !== "") headers.set("Last-Event-ID", frame.after);
    return new Request(url, { method: frame.type === "stop" ? "POST" : "GET", headers });
  }

  #fail(id: string, problem: unknown): void {
    this.#send(encodeFrame(id, "error", JSON.stringify(problem)));
  }

  #send(frame: string): void {
    if (!this.#isClosed) this.socket.send(frame);
  }

  #close({ code, reason }: { code: number; reason: string }): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.socket.close(code, reason);
  }
}

const TOO_MANY = {
  type: "about:blank",
  title: "Too many requests",
  status: 429,
  detail: `A connection may have ${MAX_RUNNING} requests at a time. Wait until one of them ends.`,
};

const BROKEN = {
  type: "about:blank",
  title: "Incomplete response",
  status: 502,
  detail: "The connection to the chat function broke. Send `resume` with the id of the last frame of the answer.",
};
