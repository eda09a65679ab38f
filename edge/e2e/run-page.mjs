// Check a run's page and the source's list of runs.

import { expect } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * Open the source's last run from its card, then the list of runs. Returns the run's entry in the list.
 *
 * @param {Page} page
 * @param {string} name
 */
export async function checkRunPage(page, name) {
  const card = page.getByRole("article", { name }).last();
  await card.getByRole("link", { name: "Latest run" }).click();
  await page.getByRole("heading", { name: `Run of ${name}` }).waitFor();
  const facts = await page.locator("dl.facts").innerText();
  for (const fact of ["on request", "Duration", "documents per ", "Functions", "Snapshot"]) {
    expect(facts.includes(fact), `the run's page lacks ${fact}: ${facts}`);
  }
  await page.getByRole("link", { name: "All runs of this source" }).click();
  const rows = page.getByRole("list", { name: "Runs" }).getByRole("listitem");
  await rows.first().waitFor();
  const entries = await rows.allInnerTexts();
  expect(
    entries.length === 1 && /Collected.*took .* added/s.test(entries[0] ?? ""),
    `the list of runs is: ${entries.join("; ")}`,
  );
  return (entries[0] ?? "").replace(/\s+/g, " ");
}
