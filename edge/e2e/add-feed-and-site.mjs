#!/usr/bin/env node
// Add a feed by the address of its blog and a web site in a real browser: preview the site, collect both, ask about each.
//
//   LOCAL_TOKEN=… node e2e/add-feed-and-site.mjs BASE_URL SITE_URL SCREENSHOTS_FOLDER
//
// SITE_URL has a blog at /blog/ whose feed has one entry about noise, and a manual at /manual/ with three pages. Prints one
// line for each stage. On a failure, prints what was expected, saves a screenshot (failed.png) and exits with 1. CHROMIUM is
// the browser's program.

import { ask, cardOf } from "./actions.mjs";
import { checkAppearances, expect, expectNoErrors, inBrowser, screenshot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", site = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: add-feed-and-site.mjs BASE_URL SITE_URL SCREENSHOTS_FOLDER");
  process.exit(2);
}

/** @param {Page} page @param {string} kind @param {string} address @param {string} name */
async function addSource(page, kind, address, name) {
  await page.goto(`${base}/sources#token=${process.env["LOCAL_TOKEN"] ?? ""}`);
  const add = page.getByRole("button", { name: "Add source" });
  await add.first().waitFor();
  const form = page.getByRole("form", { name: "Add a source" });
  if (!(await form.isVisible())) await add.first().click();
  await form.getByLabel("Kind").selectOption(kind);
  await form.getByLabel("Address").fill(address);
  expect((await form.getByLabel("Name").inputValue()) === name, `the form doesn't derive the name ${name}`);
  await form.getByText("Advanced options").click();
  await checkAppearances(page, folder, `form-${kind}`);
  await form.getByRole("button", { name: "Add source" }).click();
  await cardOf(page, name).waitFor();
}

/** @param {Page} page @param {string} name @param {number} documents */
async function collect(page, name, documents) {
  await page.goto(`${base}/sources`);
  const card = cardOf(page, name);
  await card.getByRole("button", { name: "Collect now" }).click();
  const count = documents === 1 ? "1 document" : `${documents} documents`;
  await card.getByText(count, { exact: true }).waitFor();
  await card.getByText("Collected", { exact: true }).waitFor();
}

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage();
  await addSource(page, "feed", `${site}/blog/`, "blog");
  await collect(page, "blog", 1);
  console.log("a feed was found by the address of its blog");

  await addSource(page, "site", `${site}/manual/`, "manual");
  await cardOf(page, "manual").getByRole("button", { name: "Preview" }).click();
  await page.getByText("manual/pump").waitFor();
  await screenshot(page, folder, "preview");
  await collect(page, "manual", 3);
  await screenshot(page, folder, "sources");
  console.log("a site was previewed and collected");

  await ask(page, "How loud is the pump?");
  await screenshot(page, folder, "answer");
  console.log("a question was answered from them");
  expectNoErrors(errors);
});
