import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { Attachment } from "../api/types";
import { AttachmentList } from "./attachment-list";
import type { Attaching } from "./attach-all";

const FILE: Attachment = {
  id: "1",
  name: "<b>report.pdf",
  media_type: "application/pdf",
  bytes: 5,
  title: "Report",
  warnings: [],
  created_at: "2026-01-01T00:00:00Z",
};

function render(files: Attachment[], attaching: Attaching[] = []): string {
  const nothing = (): void => undefined;
  return renderToStaticMarkup(
    <AttachmentList {...{ files, attaching }} problem={null} remove={nothing} dismiss={nothing} />,
  );
}

it("shows nothing without files", () => {
  expect(render([])).toBe("");
});

it("lets each file be removed, and says which was read in part", () => {
  const shown = render([FILE, { ...FILE, id: "2", name: "b.xlsx", warnings: ["50 rows were left out"] }]);
  expect(shown).toContain("&lt;b&gt;report.pdf");
  expect(shown).toContain('aria-label="Remove b.xlsx"');
  expect(shown.match(/read in part/g)).toHaveLength(1);
});

it("shows progress while a file is read, and the reason if it can't be", () => {
  const reading = { key: "1", name: "a.md", problem: null };
  const failed = { key: "2", name: "b.md", problem: "The file is empty." };
  const shown = render([], [reading, failed]);
  expect(shown).toContain('<progress aria-label="Reading a.md">');
  expect(shown).toContain("The file is empty.");
  expect(shown).toContain('aria-label="Dismiss b.md"');
});
