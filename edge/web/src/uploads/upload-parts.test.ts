import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { uploadInParts } from "./upload-parts";

const PART = 8_000_000;
const FILE = new Blob([new Uint8Array(2 * PART + 5).fill(7)]);
const BUCKET = "https://bucket.example";

/** A server that keeps which parts have arrived. Each of `failures` answers one request that it matches. */
class Server {
  received = new Set<number>();
  requests: string[] = [];
  failures: [RegExp, () => Response][] = [];
  isReachable = true;
  isComplete = false;

  constructor(private readonly bucket: string) {}

  fetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    return new Promise((resolve) => {
      resolve(this.answer(input, init));
    });
  }

  private answer(input: RequestInfo | URL, init: RequestInit): Response {
    const url = input instanceof Request ? input.url : String(input);
    this.requests.push(`${init.method ?? "GET"} ${url}`);
    if (!this.isReachable) throw new TypeError("Failed to fetch");
    const failure = this.failures.findIndex(([pattern]) => pattern.test(url));
    if (failure >= 0) return this.failures.splice(failure, 1)[0]?.[1]() ?? new Response();
    const part = /parts\/(\d+)$/.exec(url);
    if (part) {
      const number = Number(part[1]);
      expect((init.body as Blob).size).toBe(number === 3 ? 5 : PART);
      this.received.add(number);
      return new Response(null, { status: url.startsWith(BUCKET) ? 200 : 204 });
    }
    if (url.endsWith("/complete")) {
      this.isComplete = true;
      return Response.json({}, { status: 202 });
    }
    const missing = [1, 2, 3].filter((number) => !this.received.has(number));
    return Response.json({
      id: "u",
      parts: 3,
      received: [...this.received],
      missing: missing.map((number) => ({
        number,
        offset: (number - 1) * PART,
        bytes: number === 3 ? 5 : PART,
        url: `${this.bucket}/api/uploads/u/parts/${String(number)}`,
      })),
    });
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("addEventListener", () => undefined);
  vi.stubGlobal("removeEventListener", () => undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Upload the file while time passes. Returns how much had arrived after each step. */
async function upload(server: Server): Promise<number[]> {
  vi.stubGlobal("fetch", server.fetch.bind(server));
  const sent: number[] = [];
  const done = uploadInParts("s", "a.pdf", FILE, (bytes) => sent.push(bytes));
  const state = { isOver: false };
  void done.catch(() => undefined).finally(() => (state.isOver = true));
  while (!state.isOver) await vi.advanceTimersByTimeAsync(1000);
  await done;
  return sent;
}

it("sends all parts to the bucket, then completes", async () => {
  const server = new Server(BUCKET);
  const sent = await upload(server);
  expect(sent[0]).toBe(0);
  expect(sent.at(-1)).toBe(FILE.size);
  expect(server.requests.filter((request) => request.startsWith(`PUT ${BUCKET}`))).toHaveLength(3);
  expect(server.requests.filter((request) => request.startsWith("PUT /api"))).toHaveLength(0);
  expect(server.isComplete).toBe(true);
});

it("sends only what has not arrived", async () => {
  const server = new Server("");
  server.received = new Set([1, 3]);
  const sent = await upload(server);
  expect(sent[0]).toBe(PART + 5);
  expect(server.requests.filter((request) => request.startsWith("PUT"))).toEqual(["PUT /api/uploads/u/parts/2"]);
});

it("sends parts through the API if the bucket can't be reached from this page", async () => {
  const server = new Server(BUCKET);
  server.failures = [1, 2, 3].map(() => [/^https:/, () => Response.error()]);
  await upload(server);
  expect(server.received.size).toBe(3);
  expect(server.isComplete).toBe(true);
});

it("goes on after a lost connection", async () => {
  const server = new Server("");
  setTimeout(() => (server.isReachable = true), 60_000);
  server.isReachable = false;
  await upload(server);
  expect(server.isComplete).toBe(true);
});

it("starts again when parts were lost or damaged, and gives up in the end", async () => {
  const server = new Server("");
  const refusal = (): Response => Response.json({ title: "No", detail: "Send all parts again." }, { status: 422 });
  server.failures = [[/complete$/, refusal]];
  await upload(server);
  expect(server.isComplete).toBe(true);
  const failing = new Server("");
  failing.failures = [1, 2, 3].map(() => [/complete$/, refusal]);
  await expect(upload(failing)).rejects.toThrow("Send all parts again.");
});
