import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import type { FileChange } from "../api/types";
import { ChangedLines } from "./file-dialog";
import { isPicture } from "./picture";

const CHANGE: FileChange = {
  path: "a.txt",
  before: 1,
  after: 2,
  kind: "text",
  diff: "@@ -1,2 +1,2 @@\n one\n-two\n+<script>\n",
  added: 1,
  removed: 1,
  is_cut: false,
};

function html(change: Partial<FileChange>): string {
  return renderToStaticMarkup(<ChangedLines change={{ ...CHANGE, ...change }} />);
}

it("shows added and removed lines as text", () => {
  expect(html({})).toContain('<span class="removed">-two\n</span><span class="added">+&lt;script&gt;\n</span>');
  expect(html({})).toContain("Changes since version 1: +1 −1");
  expect(html({ before: 0 })).toContain("New file");
});

it("says why no lines are shown", () => {
  expect(html({ kind: "binary" })).toContain("This file is not text.");
  expect(html({ kind: "too large" })).toContain("too many");
  expect(html({ diff: "" })).toContain("No line has changed.");
  expect(html({ is_cut: true })).toContain("The rest is not shown.");
});

it("shows pictures of formats that can't run anything, up to a size", () => {
  expect(["a.png", "b/c.JPEG", "a.svg", "a.html"].map((path) => isPicture(path, 1))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(isPicture("a.png", 6_000_000)).toBe(false);
});
