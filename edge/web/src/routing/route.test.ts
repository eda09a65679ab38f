import { describe, expect, it } from "vitest";
import { chatPath, documentPath, documentsPath, pageOf, parseRoute, runPath, runsPath } from "./route";

function route(path: string): ReturnType<typeof parseRoute> {
  return parseRoute(new URL(path, "http://127.0.0.1:8787"));
}

describe("parseRoute", () => {
  it.each([
    ["/", { page: "chat", id: null }],
    ["/chat/c1", { page: "chat", id: "c1" }],
    ["/sources", { page: "sources" }],
    ["/sources/", { page: "sources" }],
    ["/runs", { page: "runs", sourceId: null }],
    ["/runs?source=s1", { page: "runs", sourceId: "s1" }],
    ["/runs/r1", { page: "run", id: "r1" }],
    ["/runs/r1/x", { page: "missing" }],
    ["/workspace", { page: "workspace" }],
    ["/workspace/1", { page: "missing" }],
    ["/documents/d1", { page: "document", id: "d1", passage: null }],
    ["/documents/d1?start=0&end=10", { page: "document", id: "d1", passage: { start: 0, end: 10 } }],
    ["/documents", { page: "missing" }],
    ["/sources/s1", { page: "documents", sourceId: "s1", shown: "found" }],
    ["/sources/s1?show=deleted", { page: "documents", sourceId: "s1", shown: "deleted" }],
    ["/sources/s1?show=all", { page: "documents", sourceId: "s1", shown: "found" }],
    ["/sources/s1/x", { page: "missing" }],
    ["/chat/a/b", { page: "missing" }],
    ["/elsewhere", { page: "missing" }],
    ["/chat/%E0%A4%A", { page: "chat", id: "%E0%A4%A" }],
  ])("reads %s", (path, expected) => {
    expect(route(path)).toEqual(expected);
  });

  it.each(["start=a&end=3", "start=3&end=3", "start=5&end=3", "start=-1&end=3", "start=1", "start=1e3&end=2000"])(
    "takes %s for no passage",
    (query) => {
      expect(route(`/documents/d1?${query}`)).toMatchObject({ passage: null });
    },
  );

  it("reads the paths that it writes, whatever the id", () => {
    expect(route(chatPath("a/b c?"))).toEqual({ page: "chat", id: "a/b c?" });
    expect(route(runPath("r/1"))).toEqual({ page: "run", id: "r/1" });
    expect(route(runsPath("s&1"))).toEqual({ page: "runs", sourceId: "s&1" });
    expect(route(runsPath(null))).toEqual({ page: "runs", sourceId: null });
    for (const shown of ["found", "added", "deleted"] as const)
      expect(route(documentsPath("s/1", shown))).toEqual({ page: "documents", sourceId: "s/1", shown });
    const passage = { start: 3, end: 9 };
    expect(route(documentPath("d 1", passage))).toEqual({ page: "document", id: "d 1", passage });
  });
});

describe("pageOf", () => {
  it.each([
    ["/runs", "/runs/r1"],
    ["/runs/r1", "/runs/r2"],
    ["/documents/d1", "/documents/d2"],
    ["/sources/s1", "/sources/s2"],
  ])("tells %s and %s apart", (one, other) => {
    expect(pageOf(route(one))).not.toBe(pageOf(route(other)));
  });

  it.each([
    ["/", "/chat/c1"],
    ["/runs", "/runs?source=s1"],
    ["/sources/s1", "/sources/s1?show=deleted"],
    ["/documents/d1", "/documents/d1?start=1&end=2"],
  ])("takes %s and %s for the same page", (one, other) => {
    expect(pageOf(route(one))).toBe(pageOf(route(other)));
  });
});
