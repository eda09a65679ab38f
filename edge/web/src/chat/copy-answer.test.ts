import { expect, it } from "vitest";
import type { Message } from "../api/types";
import { toMarkdown } from "./copy-answer";

function answer(text: string): Message {
  const place = { documentId: "d1", start: 0, end: 4, headingPath: ["Set up", "Linux"], url: null, text: "Text" };
  const document = { type: "source-document", mediaType: "text/markdown" } as const;
  return {
    id: "a1",
    role: "assistant",
    parts: [
      { ...document, sourceId: "1", title: "Guide", filename: "guide.md", providerMetadata: { headwater: place } },
      {
        type: "source-url",
        sourceId: "2",
        url: "https://example.com/a (b)?q=1",
        title: "A [page]",
        providerMetadata: { headwater: { start: 0, end: 4, headingPath: [], text: "Text" } },
      },
      { ...document, sourceId: "3", title: "", filename: "not-cited.md", providerMetadata: { headwater: place } },
      { type: "text", text },
    ],
  };
}

it("lists the cited sources below the text, in the order of their citations", () => {
  expect(toMarkdown(answer("With pip [2], see [1].\n"))).toBe(
    "With pip [2], see [1].\n\nSources:\n\n" +
      "- \\[2\\] [A \\[page\\]](<https://example.com/a%20(b)?q=1>)\n" +
      "- \\[1\\] Guide · Set up · Linux · `guide.md`\n",
  );
});

it("copies the text alone if it cites nothing", () => {
  expect(toMarkdown(answer("I don't know."))).toBe("I don't know.\n");
});
