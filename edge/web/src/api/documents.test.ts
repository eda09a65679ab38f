import { afterEach, expect, it, vi } from "vitest";
import { addDocument, deleteDocument, readDocument, restoreDocument } from "./documents";

const asked: Request[] = [];

afterEach(() => {
  asked.length = 0;
  vi.unstubAllGlobals();
});

it.each([
  ["restored", () => restoreDocument("d1")],
  ["deleted", () => deleteDocument("d1")],
  ["replaced", () => addDocument("s1", { key: "a.md", text: "Text", title: null })],
])("reads what it has %s past every cache, once", async (_, change) => {
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    asked.push(new Request(new URL(path, "http://127.0.0.1"), init));
    return Promise.resolve(Response.json({ run_id: "r1", document_id: "d1" }));
  });
  await readDocument("d1");
  await change();
  await readDocument("d2");
  await readDocument("d1");
  await readDocument("d1");
  expect(asked.map(({ cache }) => cache)).toEqual(["default", "default", "default", "reload", "default"]);
});
