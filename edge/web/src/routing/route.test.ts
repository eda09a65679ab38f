import { describe, expect, it } from "vitest";
import { chatPath, documentPath, documentsPath, pageKey, parseRoute, runPath, runsPath, sourcesPath } from "./route";

function route(path: string): ReturnType<typeof parseRoute> {
  return parseRoute(new URL(path, "http://127.0.0.1:8787"));
}

describe("parseRoute", () => {
  it.each([
    ["/", { page: "chat", id: null, filter: null }],
    ["/?filter=tag%3Aa", { page: "chat", id: null, filter: "tag:a" }],
    ["/chat/c1", { page: "chat", id: "c1", filter: null }],
    ["/chat/c1?filter=", { page: "chat", id: "c1", filter: "" }],
    ["/sources", { page: "sources", words: "" }],
    ["/sources/", { page: "sources", words: "" }],
    ["/sources?search=a+b", { page: "sources", words: "a b" }],
    ["/runs", { page: "runs", sourceId: null }],
    ["/runs?source=s1", { page: "runs", sourceId: "s1" }],
    ["/runs/r1", { page: "run", id: "r1" }],
    ["/runs/r1/x", { page: "missing" }],
    ["/workspace", { page: "workspace" }],
    ["/prompts", { page: "prompts" }],
    ["/prompts/1", { page: "missing" }],
    ["/standing-questions", { page: "standing-questions" }],
    ["/standing-questions/1", { page: "missing" }],
    ["/workspace/1", { page: "missing" }],
    ["/documents/d1", { page: "document", id: "d1", passage: null }],
    ["/documents/d1?start=0&end=10", { page: "document", id: "d1", passage: { start: 0, end: 10, text: null } }],
    ["/documents", { page: "missing" }],
    ["/sources/s1", { page: "documents", sourceId: "s1", filter: "current", condition: "" }],
    ["/sources/s1?show=deleted", { page: "documents", sourceId: "s1", filter: "deleted", condition: "" }],
    ["/sources/s1?show=all&filter=x", { page: "documents", sourceId: "s1", filter: "current", condition: "x" }],
    ["/shared/l1#hws_a", { page: "shared", id: "l1", token: "hws_a" }],
    ["/shared/l1", { page: "shared", id: "l1", token: "" }],
    ["/shared", { page: "missing" }],
    ["/mcp-servers/callback?code=c", { page: "mcp-sign-in", answer: new URLSearchParams("code=c") }],
    ["/mcp-servers", { page: "missing" }],
    ["/sources/s1/x", { page: "missing" }],
    ["/chat/a/b", { page: "missing" }],
    ["/elsewhere", { page: "missing" }],
    ["/chat/%E0%A4%A", { page: "chat", id: "%E0%A4%A", filter: null }],
  ])("parses %s", (path, expected) => {
    expect(route(path)).toEqual(expected);
  });

  it.each(["start=a&end=3", "start=3&end=3", "start=5&end=3", "start=-1&end=3", "start=1", "start=1e3&end=2000"])(
    "ignores the invalid passage %s",
    (query) => {
      expect(route(`/documents/d1?${query}`)).toMatchObject({ passage: null });
    },
  );

  it("parses its own paths, with any ID", () => {
    expect(route(chatPath("a/b c?"))).toEqual({ page: "chat", id: "a/b c?", filter: null });
    for (const filter of ["", 'meta.author:"Ann & Bo" -tag:#1'])
      for (const id of [null, "c1"]) expect(route(chatPath(id, filter))).toEqual({ page: "chat", id, filter });
    for (const words of ["", "https://a.example/?b=c&d"])
      expect(route(sourcesPath(words))).toEqual({ page: "sources", words });
    expect(route(runPath("r/1"))).toEqual({ page: "run", id: "r/1" });
    expect(route(runsPath("s&1"))).toEqual({ page: "runs", sourceId: "s&1" });
    expect(route(runsPath(null))).toEqual({ page: "runs", sourceId: null });
    for (const filter of ["current", "failing", "added", "pinned", "hidden", "deleted"] as const)
      for (const condition of ["", "tag:a&b"])
        expect(route(documentsPath("s/1", filter, condition))).toEqual({
          page: "documents",
          sourceId: "s/1",
          filter,
          condition,
        });
    for (const text of [null, "50 % of “#this”\n& 漢字"]) {
      const passage = { start: 3, end: 9, text };
      expect(route(documentPath("d 1", passage))).toEqual({ page: "document", id: "d 1", passage });
    }
  });
});

describe("pageKey", () => {
  it.each([
    ["/runs", "/runs/r1"],
    ["/runs/r1", "/runs/r2"],
    ["/documents/d1", "/documents/d2"],
    ["/sources/s1", "/sources/s2"],
  ])("differs for %s and %s", (one, other) => {
    expect(pageKey(route(one))).not.toBe(pageKey(route(other)));
  });

  it.each([
    ["/", "/chat/c1"],
    ["/runs", "/runs?source=s1"],
    ["/sources/s1", "/sources/s1?show=deleted"],
    ["/documents/d1", "/documents/d1?start=1&end=2"],
  ])("is the same for %s and %s", (one, other) => {
    expect(pageKey(route(one))).toBe(pageKey(route(other)));
  });
});
