import { describe, expect, it } from "vitest";
import type { Citation, Message } from "../api/types";
import {
  lastAgentOf,
  modelOf,
  passagesOf,
  shownByAgent,
  sortPassages,
  textOf,
  toolCallsOf,
  type Passage,
} from "./message-parts";

const CITATION: Citation = {
  documentId: "d1",
  start: 3,
  end: 9,
  headingPath: ["A", "B"],
  url: null,
  text: "passage",
  page: null,
};

const MESSAGE: Message = {
  id: "m1",
  role: "assistant",
  metadata: undefined,
  parts: [
    { type: "data-model", data: { name: "extractive", configured: false } },
    {
      type: "source-document",
      sourceId: "1",
      mediaType: "text/markdown",
      title: "A title",
      filename: "docs/a.md",
      providerMetadata: { headwater: { ...CITATION } },
    },
    { type: "source-document", sourceId: "2", mediaType: "text/markdown", title: "Another tool's source" },
    { type: "text", text: "An answer [1]." },
  ],
};

describe("a message", () => {
  it("has a text", () => {
    expect(textOf(MESSAGE)).toBe("An answer [1].");
  });

  it("has the passages with a position in a document", () => {
    expect(passagesOf(MESSAGE)).toEqual([{ ...CITATION, n: "1", title: "A title", key: "docs/a.md" }]);
  });

  it("has a model", () => {
    expect(modelOf(MESSAGE)).toEqual({ name: "extractive", configured: false });
    expect(modelOf({ ...MESSAGE, parts: [] })).toBeNull();
  });
});

describe("an installed agent", () => {
  const answer: Message = {
    ...MESSAGE,
    parts: [
      { type: "data-model", data: { name: "openai:a", configured: true, agent: true, agentName: "support" } },
      { type: "data-custom", id: "a", data: { text: "Looking." } },
      { type: "data-custom", id: "b", data: "Found." },
      { type: "data-custom", id: "c", data: { done: 3 } },
      { type: "data-custom", id: "d", data: { text: 4 } },
    ],
  };

  it("shows texts, and JSON", () => {
    expect(shownByAgent(answer)).toEqual(["Looking.", "Found.", '{"done":3}', '{"text":4}']);
  });

  it("answers the next question of its conversation, too", () => {
    expect(lastAgentOf([MESSAGE, answer])).toBe("support");
    expect(lastAgentOf([answer, MESSAGE])).toBe("");
    expect(lastAgentOf(null)).toBe("");
  });
});

describe("sortPassages", () => {
  const passages = ["1", "2", "3", "10"].map((n): Passage => ({ ...CITATION, n, title: n, key: n }));

  it("splits cited passages, in citation order, from the others", () => {
    const { cited, others } = sortPassages("See [10], [2] and again [10].", passages);
    expect(cited.map((passage) => passage.n)).toEqual(["10", "2"]);
    expect(others.map((passage) => passage.n)).toEqual(["1", "3"]);
  });
});

describe("an agent's calls of tools", () => {
  const call = { type: "dynamic-tool", toolName: "run_python", input: { code: "print(1)" } } as const;

  it("are running, have a result with its duration, or an error", () => {
    const parts: Message["parts"] = [
      { ...call, toolCallId: "a", state: "output-available", output: { text: "1", seconds: 0.5 } },
      { ...call, toolCallId: "b", state: "output-error", errorText: "There is no tool." },
      { ...call, toolCallId: "c", state: "input-available" },
    ];
    const same = { name: "run_python", input: { code: "print(1)" } };
    expect(toolCallsOf({ ...MESSAGE, parts })).toEqual([
      { id: "a", ...same, output: "1", seconds: 0.5 },
      { id: "b", ...same, error: "There is no tool." },
      { id: "c", ...same },
    ]);
  });

  it("has the files of a call, what a running program has printed, and how far a build is", () => {
    const call = { type: "dynamic-tool", toolName: "run_python", state: "input-available", input: {} } as const;
    const files = [{ path: "a.png", version: 1, bytes: 5 }];
    const parts: Message["parts"] = [
      { ...call, toolCallId: "a" },
      { ...call, toolCallId: "b" },
      { type: "data-log", id: "a/0", data: { toolCallId: "a", text: "one\n" } },
      { type: "data-log", id: "b/0", data: { toolCallId: "b", text: "other" } },
      { type: "data-log", id: "a/1", data: { toolCallId: "a", text: "two" } },
      { type: "data-files", id: "b", data: { toolCallId: "b", files } },
      { type: "data-build", id: "a", data: { toolCallId: "a", status: "succeeded", log: "", page: "dist/index.html" } },
      { type: "data-build", id: "b", data: { toolCallId: "b", status: "failed", log: "Unexpected token", page: "" } },
    ];
    expect(toolCallsOf({ ...MESSAGE, parts })).toEqual([
      { id: "a", name: "run_python", input: {}, log: "one\ntwo", build: "succeeded", page: "dist/index.html" },
      { id: "b", name: "run_python", input: {}, log: "other", files, build: "failed" },
    ]);
  });
});
