import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { DocumentNotes } from "./document-notes";

const NOW = new Date().toISOString();
const HEALTHY = { error: null, warnings: [], fetched_at: NOW };

function notes(changes: Partial<Parameters<typeof DocumentNotes>[0]["document"]>): string {
  return renderToStaticMarkup(<DocumentNotes document={{ ...HEALTHY, ...changes }} />).replace(/<[^>]+>/g, " ");
}

it("says why a document can't be read and whether its text is an earlier one", () => {
  const error = { reason: "looks like a binary file", since: NOW };
  expect(notes({ error })).toMatch(
    /be read: looks like a binary file\. It failed first .+\. The last text that could be read is shown\./,
  );
  expect(notes({ error, fetched_at: null })).not.toContain("is shown");
  expect(notes({})).toBe("");
});

it("lists the warnings of the text", () => {
  expect(notes({ warnings: ["only the first 5,000 links were kept"] })).toMatch(
    /1 warning .+only the first 5,000 links/,
  );
  expect(notes({ warnings: ["a", "b"] })).toContain("2 warnings");
});
