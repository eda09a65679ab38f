import { renderToStaticMarkup } from "react-dom/server";
import Markdown from "react-markdown";
import { expect, it } from "vitest";
import { CodeBlock } from "./code-block";

const html = (text: string): string =>
  renderToStaticMarkup(
    <Markdown components={{ pre: ({ node, children }) => <CodeBlock pre={node}>{children}</CodeBlock> }}>
      {text}
    </Markdown>,
  );

it("names the language of a code block, and copies it", () => {
  const shown = html("```js\nlet a\n```");
  expect(shown).toContain('<span class="code-language">js</span>');
  expect(shown).toContain('Copy<span class="hidden"> code, js</span>');
  expect(shown).toContain('<pre tabindex="0" role="region" aria-label="Code, js">');
});

it("shows unknown languages, and blocks without a language", () => {
  expect(html("```cobol\nMOVE\n```")).toContain('<span class="code-language">cobol</span>');
  expect(html("    MOVE")).toContain('Copy<span class="hidden"> code</span>');
  expect(html("```")).toContain('aria-label="Code"');
});
