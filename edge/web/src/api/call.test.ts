import { afterEach, expect, it, vi } from "vitest";
import { chooseWorkspace, currentSession, signIn } from "../session/session";
import { call, readJson, send } from "./call";
import { ProblemError } from "./problem";

const asked: Request[] = [];

function answerWith(status: number, body: unknown, headers: HeadersInit = {}): void {
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    asked.push(new Request(new URL(path, "http://127.0.0.1"), init));
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers }));
  });
}

afterEach(() => {
  asked.length = 0;
  vi.unstubAllGlobals();
});

it("calls without a token where nobody has signed in", async () => {
  answerWith(401, { title: "Unauthorized", detail: "This needs a token." });
  await expect(readJson("/api/me")).rejects.toThrow("This needs a token.");
  expect(asked[0]?.headers.has("authorization")).toBe(false);
});

it("sends the token and the workspace beside whatever headers there are", async () => {
  signIn("t1");
  chooseWorkspace("w2");
  answerWith(200, {});
  await send("POST", "/api/keys", { name: "k" });
  expect(Object.fromEntries(asked[0]?.headers ?? [])).toEqual({
    authorization: "Bearer t1",
    "content-type": "application/json",
    "x-workspace": "w2",
  });
});

it("ends the session whose token is refused, and still tells the caller why", async () => {
  signIn("t1");
  answerWith(401, { title: "Unauthorized", detail: "The token has expired." });
  await expect(readJson("/api/me")).rejects.toBeInstanceOf(ProblemError);
  expect(currentSession()).toBeNull();
});

it("keeps the session when something is only forbidden", async () => {
  signIn("t1");
  answerWith(403, { title: "Forbidden", detail: "Owners only." });
  expect((await call("/api/keys")).status).toBe(403);
  expect(currentSession()).toMatchObject({ token: "t1" });
});

it("tells when one may ask again, where the answer does", async () => {
  const problem = { title: "Too many requests", detail: "Wait." };
  answerWith(429, problem, { "retry-after": "60" });
  await expect(readJson("/api/runs")).rejects.toHaveProperty("problem", { status: 429, ...problem, retry_after_s: 60 });
  for (const value of ["", "Wed, 21 Oct 2026 07:28:00 GMT"]) {
    answerWith(503, problem, { "retry-after": value });
    await expect(readJson("/api/runs")).rejects.toHaveProperty("problem", { status: 503, ...problem });
  }
});
