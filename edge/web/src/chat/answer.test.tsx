import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { Message } from "../api/types";
import { Answer } from "./answer";
import { AnswerText } from "./answer-text";

function text(parts: Message["parts"], metadata?: Message["metadata"], isStreaming = false): string {
  return renderToStaticMarkup(
    <Answer message={{ id: "m1", role: "assistant", parts, metadata }} isStreaming={isStreaming} />,
  )
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

const THOUGHTS = { type: "reasoning", id: "r1", text: "Is it oil?", state: "done" } as const;
const TEXT = { type: "text", text: "Use oil." } as const;

it("shows thoughts folded, before the text", () => {
  expect(text([THOUGHTS, TEXT])).toBe("Thoughts Is it oil? Use oil.");
  expect(
    renderToStaticMarkup(<Answer message={{ id: "m", role: "assistant", parts: [THOUGHTS] }} isStreaming />),
  ).toContain('<details class="thoughts"><summary>');
});

it("says that the model is thinking until the text begins", () => {
  expect(text([THOUGHTS], undefined, true)).toContain("Thinking…");
  expect(text([THOUGHTS, TEXT], undefined, true)).not.toContain("Thinking…");
});

it("says that the model is thinking when the stream does", () => {
  const answer = <Answer message={{ id: "m", role: "assistant", parts: [] }} isStreaming isThinking />;
  expect(renderToStaticMarkup(answer)).toContain("Thinking…");
});

it("names the model that took over", () => {
  const data = { name: "openai:b", configured: true, insteadOf: ["anthropic:a"] };
  expect(text([{ type: "data-model", id: "model", data }, TEXT])).toBe(
    "Use oil. Answered by openai:b, because anthropic:a did not answer.",
  );
});

it("says that an answer quotes only if it does", () => {
  const model = { type: "data-model", id: "model", data: { name: "extractive", configured: false } } as const;
  const headwater = { documentId: "d", start: 0, end: 4, headingPath: [], url: null, text: "Pump", page: null };
  const passage: Message["parts"][number] = {
    type: "source-document",
    sourceId: "1",
    mediaType: "text/markdown",
    title: "Pump",
    filename: "pump.md",
    providerMetadata: { headwater },
  };
  expect(text([model, passage, TEXT])).toContain("so this answer only quotes your documents.");
  expect(text([model, { type: "text", text: "Nothing was found." }])).toBe("Nothing was found.");
});

it("says how an incomplete answer ended, and why if that is known", () => {
  expect(text([TEXT], { state: "cut", notice: "The model stopped at its length limit." })).toBe(
    "Use oil. The model stopped at its length limit.",
  );
  expect(text([TEXT], { state: "cut", notice: null })).toBe("Use oil. This answer is incomplete.");
  expect(text([TEXT], { state: "stopped" })).toBe("Use oil. This answer was stopped.");
  expect(text([TEXT], { state: "complete", notice: null })).toBe("Use oil.");
});

it("marks the citations of weak sentences, and says so", () => {
  const headwater = { documentId: "d", start: 0, end: 4, headingPath: [], url: null, text: "Pump", page: null };
  const passage: Message["parts"][number] = {
    type: "source-document",
    sourceId: "1",
    mediaType: "text/markdown",
    title: "Pump",
    filename: "pump.md",
    providerMetadata: { headwater },
  };
  const cited = { type: "text", text: "Use oil [1]. It costs 900 [1]." } as const;
  const weak = [{ start: 13, end: 30, sources: ["1"], reason: "numbers" as const }];
  const grounding: Message["parts"][number] = { type: "data-grounding", id: "grounding", data: { weak } };
  const html = renderToStaticMarkup(
    <Answer message={{ id: "m", role: "assistant", parts: [passage, cited, grounding] }} isStreaming={false} />,
  );
  expect(html.match(/class="cite weak"/g)).toHaveLength(1);
  expect(html).toContain('aria-label="The source may not say this. Citation 1: Pump"');
  expect(text([passage, cited, grounding])).toContain("One sentence may not be supported by the cited sources.");
  expect(text([passage, cited])).not.toContain("may not");
});

it("shows formulas as they were written until they are rendered, and takes no citation from them", () => {
  const passage = {
    n: "1",
    start: 0,
    end: 4,
    title: "Pump",
    address: "https://a.example/",
    text: "Pump",
    headingPath: [],
  };
  const shown = renderToStaticMarkup(
    <AnswerText text="So $x[1]$, for $5 and $10 [1]." passages={[passage]} isStreaming={false} />,
  );
  expect(shown).toContain('So <span class="formula">$x[1]$</span>, for $5 and $10 <a');
});

it.each([
  ["code", "```js\nlet *a", "let *a"],
  ["a formula", "So \\[\na_1 * b_1\n= *c", "So \\[\na_1 * b_1\n= *c"],
])("shows %s that is being written as it is", (_, markdown, shown) => {
  expect(renderToStaticMarkup(<AnswerText text={markdown} passages={[]} isStreaming />)).toContain(shown);
});
