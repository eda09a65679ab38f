import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { attachAll, MAX_BYTES } from "./attach-all";

let requests: string[] = [];
let answers: Response[] = [];

beforeEach(() => {
  requests = [];
  answers = [];
  vi.stubGlobal("fetch", (input: RequestInfo | URL, init: RequestInit = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    requests.push(`${init.method ?? "GET"} ${url}`);
    return Promise.resolve(answers.shift() ?? Response.json({ id: url, name: "a" }, { status: 201 }));
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

function attached(...names: string[]): Response[] {
  return names.map((name) => Response.json({ id: name, name }, { status: 201 }));
}

async function attach(files: readonly (readonly [string, File])[]): Promise<string[]> {
  const ended: string[] = [];
  await attachAll("c 1", files, {
    attached: (key, file) => ended.push(`${key} attached as ${file.name}`),
    failed: (key, problem) => ended.push(`${key} failed: ${problem}`),
  });
  return ended;
}

it("attaches files in their order, with conversation and name in the query", async () => {
  answers = attached("a b.pdf", "c.md");
  const ended = await attach([
    ["1", new File(["x"], "a b.pdf")],
    ["2", new File(["y"], "c.md")],
  ]);
  expect(ended).toEqual(["1 attached as a b.pdf", "2 attached as c.md"]);
  expect(requests).toEqual([
    "PUT /api/conversation-files?conversation_id=c+1&name=a+b.pdf",
    "PUT /api/conversation-files?conversation_id=c+1&name=c.md",
  ]);
});

it.each([
  ["a.pdf: it is encrypted.", "It is encrypted."],
  ["name: use a file name without folders.", "Use a file name without folders."],
])("goes on after a file that can't be read, and says why it can't: %s", async (detail, reason) => {
  const problem = { title: "Invalid request", status: 422, detail };
  answers = [
    Response.json(problem, { status: 422, headers: { "content-type": "application/problem+json" } }),
    ...attached("b.md"),
  ];
  const ended = await attach([
    ["1", new File(["x"], "a.pdf")],
    ["2", new File(["y"], "b.md")],
  ]);
  expect(ended).toEqual([`1 failed: ${reason}`, "2 attached as b.md"]);
});

it("doesn't send a file that is too large", async () => {
  const large = new File([new Uint8Array(MAX_BYTES + 1)], "large.pdf");
  expect(await attach([["1", large]])).toEqual(["1 failed: The file has more than 31 MB. Add it to a source instead."]);
  expect(requests).toEqual([]);
});
