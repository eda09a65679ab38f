import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { ConversationId } from "../files/conversation-id";
import type { ToolCall } from "./message-parts";
import { progressOf, ToolCalls } from "./tool-calls";

const SEARCH: ToolCall = { id: "a", name: "search_knowledge", input: { query: "Install\nit" } };

function text(call: ToolCall, isStreaming = false): string {
  return renderToStaticMarkup(<ToolCalls calls={[call]} isStreaming={isStreaming} />)
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

it("shows a call folded, with its input, output and duration", () => {
  const call = { ...SEARCH, output: "[1] A passage.", seconds: 1.25 };
  expect(text(call)).toBe(
    "Searched the documents “Install” · 1.3 s { &quot;query&quot;: &quot;Install\\nit&quot; } [1] A passage.",
  );
  expect(renderToStaticMarkup(<ToolCalls calls={[call]} isStreaming={false} />)).not.toContain("<details open");
});

it("says whether a call runs, has failed or did not finish", () => {
  expect(text(SEARCH, true)).toContain("Searching the documents “Install” · running");
  expect(text(SEARCH)).toContain("not finished");
  expect(text({ ...SEARCH, waitsFor: "approval" })).toContain("“Install” · waiting for your approval");
  expect(text({ ...SEARCH, error: "query is empty." })).toContain("failed");
  expect(text({ ...SEARCH, error: "query is empty." })).toContain("query is empty.");
});

it("says that a build has failed", () => {
  const call: ToolCall = { id: "b", name: "build_page", input: {}, output: "The build failed.", seconds: 1 };
  expect(text({ ...call, build: "failed" })).toContain("Built a page the build failed");
  expect(text({ ...call, build: "succeeded" })).toContain("Built a page 1.0 s");
});

it("says that a call was rejected, and why", () => {
  expect(text({ ...SEARCH, rejection: "Too much." })).toContain("rejected");
  expect(text({ ...SEARCH, rejection: "Too much." })).toContain("Too much.");
  expect(progressOf([{ ...SEARCH, rejection: "" }])).toBe("Thinking…");
});

it("shows the calls of a sub-agent below the call that runs it", () => {
  const delegate: ToolCall = { id: "d", name: "delegate", input: { task: "Find it." }, output: "Found.", seconds: 2 };
  const own: ToolCall = { ...SEARCH, parent: "d", output: "[1]", seconds: 1 };
  const html = renderToStaticMarkup(<ToolCalls calls={[delegate, own]} isStreaming={false} />);
  expect(html).toMatch(/Gave a task.*aria-label="Steps of this agent".*Searched the documents.*<\/ol><\/li><\/ol>$/s);
});

it("shows a program as it is, and a tool that it doesn't know by its name", () => {
  expect(text({ id: "a", name: "run_python", input: { code: "print(1)\n" } })).toBe(
    "Running Python “print(1)” · not finished print(1)",
  );
  expect(text({ id: "a", name: "weather", input: {} })).toBe("weather not finished {}");
});

it("shows hostile results as text", () => {
  const html = renderToStaticMarkup(
    <ToolCalls calls={[{ ...SEARCH, output: "<script>alert(1)</script>", seconds: 0 }]} isStreaming={false} />,
  );
  expect(html).not.toContain("<script>");
});

it("shows the last lines of a running program's output, until it ends", () => {
  const call: ToolCall = { id: "a", name: "run_python", input: { code: "x" }, log: "1\n2\n3\n4\n5\n<b>6" };
  expect(text(call, true)).toContain("2 3 4 5 &lt;b&gt;6");
  expect(text(call, true)).not.toContain(" 1 ");
  expect(text({ ...call, output: "Done.", seconds: 1 }, true)).not.toContain("5 &lt;b");
});

it("shows the files of a call by their names where they can't be read", () => {
  const files = [
    { path: "<b>a.csv", version: 1, bytes: 5 },
    { path: "old.csv", version: 2, bytes: 0, isDeleted: true },
  ];
  expect(text({ ...SEARCH, output: "x", seconds: 1, files })).toContain("&lt;b&gt;a.csv old.csv, deleted");
});

it("offers to open the files of a conversation, but not deleted ones", () => {
  const files = [
    { path: "a.csv", version: 2, bytes: 5 },
    { path: "old.csv", version: 2, bytes: 0, isDeleted: true },
  ];
  const html = renderToStaticMarkup(
    <ConversationId value="c1">
      <ToolCalls calls={[{ ...SEARCH, output: "x", seconds: 1, files }]} isStreaming={false} />
    </ConversationId>,
  );
  expect(html.match(/<button/g)).toHaveLength(1);
  expect(html).toContain("a.csv, version 2</button>");
});

it("offers the preview of a page that was built, once the call has ended", () => {
  const built: ToolCall = { id: "b", name: "build_page", input: {}, build: "succeeded", page: "dist/index.html" };
  const html = (call: ToolCall): string =>
    renderToStaticMarkup(
      <ConversationId value="c1">
        <ToolCalls calls={[call]} isStreaming={false} />
      </ConversationId>,
    );
  expect(html({ ...built, output: "The build succeeded.", seconds: 1 })).toContain("Show preview</button>");
  expect(html(built)).not.toContain("preview");
  expect(text({ ...built, output: "The build succeeded.", seconds: 1 })).not.toContain("preview");
});

it("names the call that runs", () => {
  expect(progressOf([SEARCH])).toBe("Searching the documents…");
  expect(progressOf([{ ...SEARCH, output: "x", seconds: 1 }])).toBe("Thinking…");
});
