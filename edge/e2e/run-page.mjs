// The run that a collect has been, looked at in the browser.

import { expect } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * Open the source's last run from its card, and its history from there; returns what the history says of the run.
 *
 * @param {Page} page
 * @param {string} name
 */
export async function lookAtRun(page, name) {
  const card = page.getByRole("article", { name }).last();
  await card.getByRole("link", { name: "Latest run" }).click();
  await page.getByRole("heading", { name: `Run of ${name}` }).waitFor();
  const facts = await page.locator("dl.facts").innerText();
  for (const fact of ["on request", "Duration", "documents per ", "Functions", "Snapshot"]) {
    expect(facts.includes(fact), `the run doesn't tell ${fact}: ${facts}`);
  }
  await page.getByRole("link", { name: "All runs of this source" }).click();
  const rows = page.getByRole("list", { name: "Runs" }).getByRole("listitem");
  await rows.first().waitFor();
  const told = await rows.allInnerTexts();
  expect(told.length === 1 && /Collected.*took .* added/s.test(told[0] ?? ""), `the history is: ${told.join("; ")}`);
  return (told[0] ?? "").replace(/\s+/g, " ");
}
