// Filter questions and documents by selecting values and as text. The filter is in the URL and the conversation.

import { openDocuments } from "./actions.mjs";
import { expect } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * Filter questions by the tag `overview`, which one document has, and by an invalid text.
 *
 * @param {Page} page
 * @param {string} base
 * @param {{ question: string, errors: string[] }} options the console's errors: the one of the invalid
 *   filter is removed
 */
export async function filterQuestions(page, base, { question, errors }) {
  await page.goto(base);
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  const tag = page.getByRole("group", { name: "Tag" }).getByRole("button", { name: "overview 1" });
  await tag.click();
  const condition = page.getByRole("button", { name: "Remove the condition tag:overview" });
  await condition.waitFor();
  await page.getByText("1 document matches").waitFor();
  expect(page.url() === `${base}/?filter=tag%3Aoverview`, `the filter is not in the URL: ${page.url()}`);

  expect(await tag.evaluate((button) => button === document.activeElement), "the selected tag lost the focus");
  await tag.press("Enter");
  await condition.waitFor({ state: "detached" });
  await tag.press("Enter");
  await condition.waitFor();

  const text = page.getByRole("textbox", { name: "Filter" });
  await text.fill("tag:overview date:soon");
  await text.press("Enter");
  await page.getByRole("alert").getByText("Invalid filter at character 19: expected a date").waitFor();
  const rejected = errors.splice(0);
  expect(await text.evaluate((field) => field === document.activeElement), "the field of the filter lost the focus");
  expect(rejected.length === 1 && rejected[0]?.includes("422"), `console errors: ${rejected.join("\n")}`);
  await page.getByRole("button", { name: "Remove the condition date:soon" }).click();
  await page.getByText("1 document matches").waitFor();
  await page.getByRole("button", { name: "Filter", exact: true }).click();

  const field = page.getByRole("textbox", { name: "Question" });
  await field.fill(`${question} Larder`);
  await field.press("Enter");
  await page.getByRole("button", { name: "Ask", exact: true }).waitFor();
  const log = page.getByRole("log");
  await log
    .getByText(/the documents that match the filter|Larder documentation/)
    .first()
    .waitFor();
  await page.goto(page.url().replace(/\?.*/, "")); // the conversation remembers its filter
  await condition.click();
  await condition.waitFor({ state: "detached" });
  await field.fill(question);
  await field.press("Enter");
  await log
    .getByRole("button", { name: /^Citation \d+: ./ })
    .first()
    .waitFor();
}

/** Filter the documents of a source. @param {Page} page @param {string} name */
export async function filterDocuments(page, name) {
  const rows = await openDocuments(page, name, "current");
  await rows.nth(3).waitFor();
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  const text = page.getByRole("textbox", { name: "Filter" });
  await text.fill("path:runbooks/** tag:*");
  await text.press("Enter");
  await page.getByRole("link", { name: "On call" }).waitFor();
  await rows.nth(1).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Remove the condition tag:*" }).click();
  await rows.nth(1).waitFor();
  await page.goBack();
  await rows.nth(1).waitFor({ state: "detached" });
}
