import { afterEach, expect, it, vi } from "vitest";
import { chooseWorkspace, currentSession, signIn } from "../session/session";
import { call, readJson, send } from "./call";
import { ProblemError } from "./problem";

const requests: Request[] = [];

function respondWith(status: number, body: unknown, headers: HeadersInit = {}): void {
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    requests.push(new Request(new URL(path, "http://127.0.0.1"), init));
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers }));
  });
}

afterEach(() => {
  requests.length = 0;
  vi.unstubAllGlobals();
});

it("sends no token without a session", async () => {
  respondWith(401, { title: "Unauthorized", detail: "Send a token." });
  await expect(readJson("/api/me")).rejects.toThrow("Send a token.");
  expect(requests[0]?.headers.has("authorization")).toBe(false);
});

it("adds the token and the workspace to the other headers", async () => {
  signIn("t1");
  chooseWorkspace("w2");
  respondWith(200, {});
  await send("POST", "/api/keys", { name: "k" });
  expect(Object.fromEntries(requests[0]?.headers ?? [])).toEqual({
    authorization: "Bearer t1",
    "content-type": "application/json",
    "x-workspace": "w2",
  });
});

it("ends the session on a 401 and still throws the problem", async () => {
  signIn("t1");
  respondWith(401, { title: "Unauthorized", detail: "The token has expired." });
  await expect(readJson("/api/me")).rejects.toBeInstanceOf(ProblemError);
  expect(currentSession()).toBeNull();
});

it("keeps the session on a 403", async () => {
  signIn("t1");
  respondWith(403, { title: "Forbidden", detail: "Owners only." });
  expect((await call("/api/keys")).status).toBe(403);
  expect(currentSession()).toMatchObject({ token: "t1" });
});

it("reads Retry-After where it is a number of seconds", async () => {
  const problem = { title: "Too many requests", detail: "Wait." };
  respondWith(429, problem, { "retry-after": "60" });
  await expect(readJson("/api/runs")).rejects.toHaveProperty("problem", { status: 429, ...problem, retry_after_s: 60 });
  for (const value of ["", "Wed, 21 Oct 2026 07:28:00 GMT"]) {
    respondWith(503, problem, { "retry-after": value });
    await expect(readJson("/api/runs")).rejects.toHaveProperty("problem", { status: 503, ...problem });
  }
});
