import { afterEach, expect, it, vi } from "vitest";
import { addDocument, deleteDocument, readDocument, restoreDocument } from "./documents";

const requests: Request[] = [];

afterEach(() => {
  requests.length = 0;
  vi.unstubAllGlobals();
});

it.each([
  ["restored", () => restoreDocument("d1")],
  ["deleted", () => deleteDocument("d1")],
  ["replaced", () => addDocument("s1", { key: "a.md", text: "Text", title: null })],
])("bypasses the browser cache once after a document was %s", async (_, change) => {
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    requests.push(new Request(new URL(path, "http://127.0.0.1"), init));
    return Promise.resolve(Response.json({ run_id: "r1", document_id: "d1" }));
  });
  await readDocument("d1");
  await change();
  await readDocument("d2");
  await readDocument("d1");
  await readDocument("d1");
  expect(requests.map(({ cache }) => cache)).toEqual(["default", "default", "default", "reload", "default"]);
});
