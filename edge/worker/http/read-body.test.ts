import { afterEach, describe, expect, it, vi } from "vitest";
import { BODY_TIMEOUT_S, MAX_BODY_BYTES, MAX_UPLOAD_BYTES, UPLOAD_TIMEOUT_S } from "../limits";
import { fetchWorker, readProblem, requestCount, type EchoedRequest } from "../testing/fetch-worker";
import { bodyMemory } from "./body-memory";

const UPLOAD = "/api/sources/1/documents";

afterEach(() => {
  vi.useRealTimers();
  expect(bodyMemory.total).toBe(0);
});

/** A body of unknown length, as of a chunked request: parts of `text`, which never ends if `isOpen`. */
function streamOf(text: string, partLength: number, isOpen = false): ReadableStream<Uint8Array> {
  const { readable, writable } = new IdentityTransformStream();
  const write = async (): Promise<void> => {
    const writer = writable.getWriter();
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += partLength) await writer.write(bytes.subarray(at, at + partLength));
    if (!isOpen) await writer.close();
  };
  write().catch(() => undefined);
  return readable;
}

/** Text in which no two parts of one length are equal. */
function textOf(length: number): string {
  return Array.from({ length: Math.ceil(length / 8) }, (_, n) => n.toString().padStart(8))
    .join("")
    .slice(0, length);
}

describe("a body", () => {
  it.each([0, 1, 4_095, 4_096, 4_097, 8_192, 8_193, 100_000, MAX_BODY_BYTES])(
    "of %i bytes reaches the function unchanged",
    async (length) => {
      const text = textOf(length);
      for (const body of [text, streamOf(text, 60_000)]) {
        const response = await fetchWorker("/api/sources", { method: "POST", body });
        const echo = await response.json<EchoedRequest>();
        expect(echo.body === text).toBe(true);
        expect(echo.headers["content-length"]).toBe(String(length));
      }
    },
  );

  it.each(["gzip", "GZIP", "br", "identity, gzip"])("that is encoded by %s is a 415", async (encoding) => {
    for (const [path, method] of [
      [UPLOAD, "PUT"],
      ["/api/sources", "POST"],
    ] as const) {
      const response = await fetchWorker(path, { method, body: "x", headers: { "content-encoding": encoding } });
      expect(response.status).toBe(415);
      expect(response.headers.get("accept-encoding")).toBe("identity");
      expect((await readProblem(response))["detail"]).toContain("Send it uncompressed");
    }
  });

  it("with the encoding `identity` reaches the function", async () => {
    const headers = { "content-encoding": "identity" };
    const response = await fetchWorker("/api/sources", { method: "POST", body: "x", headers });
    expect((await response.json<EchoedRequest>()).body).toBe("x");
  });

  it("in tiny parts reaches the function unchanged", async () => {
    const text = textOf(20_000);
    const response = await fetchWorker("/api/sources", { method: "POST", body: streamOf(text, 1) });
    expect((await response.json<EchoedRequest>()).body).toBe(text);
  });

  it.each(["GET", "HEAD"])("of a %s request is ignored", async (method) => {
    const response = await fetchWorker("/api/sources", { method, headers: { "content-length": "1000000000" } });
    expect(response.status).toBe(200);
  });

  it("that is too large is a 413 that wakes no function", async () => {
    const of = crypto.randomUUID();
    const text = textOf(MAX_BODY_BYTES + 1);
    for (const body of [text, streamOf(text, 60_000)]) {
      const response = await fetchWorker(`/api/sources?of=${of}`, { method: "POST", body });
      expect(response.status).toBe(413);
      expect((await readProblem(response))["detail"]).toContain("larger than the limit of 1000000 bytes");
    }
    expect(await requestCount(of)).toBe(0);
  });

  it("that does not arrive in time is a 408 that wakes no function", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const of = crypto.randomUUID();
    const body = streamOf("half", 1, true);
    const pending = fetchWorker(`/api/chat?of=${of}`, { method: "POST", body });
    await vi.advanceTimersByTimeAsync(1000 * BODY_TIMEOUT_S);
    const response = await pending;
    expect(response.status).toBe(408);
    expect((await readProblem(response))["detail"]).toContain(`within ${BODY_TIMEOUT_S} seconds`);
    vi.useRealTimers();
    expect(await requestCount(of)).toBe(0);
  });

  it("that ends early is a 400 that wakes no function", async () => {
    const of = crypto.randomUUID();
    const { readable, writable } = new FixedLengthStream(100);
    const writer = writable.getWriter();
    void writer
      .write(new Uint8Array(50))
      .then(() => writer.abort(new Error("reset")))
      .catch(() => undefined);
    const response = await fetchWorker(`/api/chat?of=${of}`, { method: "POST", body: readable });
    expect(response.status).toBe(400);
    expect((await readProblem(response))["detail"]).toContain("ended before the whole body arrived");
    expect(await requestCount(of)).toBe(0);
  });
});

describe("an upload", () => {
  it("may have the largest size", async () => {
    const text = textOf(MAX_UPLOAD_BYTES);
    const response = await fetchWorker(UPLOAD, { method: "PUT", body: text });
    expect((await response.json<EchoedRequest>()).body === text).toBe(true);
  });

  it("that is larger is a 413", async () => {
    const body = textOf(MAX_UPLOAD_BYTES + 1);
    expect((await fetchWorker(UPLOAD, { method: "PUT", body })).status).toBe(413);
    expect((await fetchWorker(UPLOAD, { method: "PUT", body: streamOf(body, 1_000_000) })).status).toBe(413);
  });

  it("may take longer than other bodies", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const pending = fetchWorker(UPLOAD, { method: "PUT", body: streamOf("half", 1, true) });
    const isDone = vi.fn();
    void pending.then(isDone);
    await vi.advanceTimersByTimeAsync(1000 * (UPLOAD_TIMEOUT_S - 1));
    expect(isDone).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1000);
    expect((await pending).status).toBe(408);
  });

  it("is the only request with the larger limit", async () => {
    const body = textOf(MAX_BODY_BYTES + 1);
    for (const [method, path] of [
      ["POST", UPLOAD],
      ["PUT", "/api/sources/1"],
      ["PUT", "/api/sources/1/documents/2"],
      ["PUT", "/api/sources/1/2/documents"],
    ] as const) {
      expect((await fetchWorker(path, { method, body })).status).toBe(413);
    }
  });
});
