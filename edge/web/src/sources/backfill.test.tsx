import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { collectPath } from "../api/runs";
import { periodText } from "../runs/run-labels";
import { makeGitKind, makeSource } from "../testing/make-source";
import { makeRun } from "../testing/make-run";
import { BackfillForm } from "./backfill-form";
import { backfillOptions } from "./backfill-options";

const form = (hasDates: boolean): string =>
  renderToStaticMarkup(
    <BackfillForm source={makeSource()} kind={{ ...makeGitKind(), has_dates: hasDates }} onCancel={() => undefined} />,
  );

it("asks for days only if the kind of source has dates", () => {
  expect(form(true)).toContain('type="date"');
  expect(form(false)).not.toContain('type="date"');
});

it.each([
  [{ since: "", until: "", everything: true }, "/api/sources/s1/collect?everything=true"],
  [{ since: "2024-01-01", until: "", everything: false }, "/api/sources/s1/collect?since=2024-01-01"],
  [
    { since: "2024-01-01", until: "2024-06-30", everything: true },
    "/api/sources/s1/collect?everything=true&since=2024-01-01&until=2024-06-30",
  ],
  [{ since: "", until: "", everything: false }, "/api/sources/s1/collect"],
])("turns %j into a request", (fields, path) => {
  expect(collectPath("s1", backfillOptions(fields))).toBe(path);
});

it.each([
  [{}, null],
  [{ everything: true }, "all documents, also unchanged ones"],
  [{ since: "2024-01-01", until: "2024-06-30" }, "documents from 2024-01-01 to 2024-06-30"],
  [{ since: "2024-01-01", everything: true }, "documents from 2024-01-01, also unchanged ones"],
  [{ until: "2024-06-30" }, "documents to 2024-06-30"],
])("names what a backfill with %j collects", (changes, label) => {
  expect(periodText(makeRun(changes))).toBe(label);
});
