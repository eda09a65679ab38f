#!/usr/bin/env node
// Attach files to a conversation in a real browser: choose one, drop one and one that can't be read, ask, open the citation,
// reload, ask in another conversation, remove a file.
//
//   LOCAL_TOKEN=… node e2e/attach-files.mjs BASE_URL FOLDER SCREENSHOTS_FOLDER
//
// FOLDER has `turbine.md`, which names the oil of the zeppelin turbine. Prints one line for each stage. On a failure, prints what was expected, saves a screenshot (failed.png) and exits with 1.
// CHROMIUM is the browser's program.

import { join } from "node:path";
import { checkAppearances, expect, expectNoErrors, inBrowser, screenshot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const QUESTION = "Which oil does the zeppelin turbine need?";
const [base = "", files = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: attach-files.mjs BASE_URL FOLDER SCREENSHOTS_FOLDER");
  process.exit(2);
}

/** @param {Page} page */
function listOf(page) {
  return page.getByRole("list", { name: "Files of this conversation" });
}

/** @param {Page} page */
async function chooseFile(page) {
  await page.goto(`${base}/#token=${process.env["LOCAL_TOKEN"] ?? ""}`);
  await page.getByLabel("Attach files").setInputFiles([join(files, "turbine.md")]);
  await listOf(page).getByRole("button", { name: "Remove turbine.md" }).waitFor();
}

/** Drop a file, and one that can't be read. @param {Page} page */
async function dropFiles(page) {
  const transfer = await page.evaluateHandle(() => {
    const transferred = new DataTransfer();
    transferred.items.add(new File([], "empty.md"));
    transferred.items.add(new File(["# Walrus\n\nThe basement has a walrus.\n"], "walrus.md"));
    return transferred;
  });
  await page.locator(".dialogue").dispatchEvent("drop", { dataTransfer: transfer });
  await listOf(page).getByRole("button", { name: "Remove walrus.md" }).waitFor();
  await listOf(page).getByText("The file is empty.").waitFor();
  await checkAppearances(page, folder, "attached");
  await listOf(page).getByRole("button", { name: "Dismiss empty.md" }).click();
  await listOf(page).getByText("The file is empty.").waitFor({ state: "detached" });
}

/** @param {Page} page */
async function ask(page) {
  await page.getByRole("textbox", { name: "Question" }).fill(QUESTION);
  await page.keyboard.press("Enter");
}

/** @param {Page} page */
async function askAndOpen(page) {
  await ask(page);
  await page
    .getByRole("button", { name: /^Citation \d+: Zeppelin/ })
    .first()
    .click();
  const panel = page.getByRole("dialog", { name: "Zeppelin" });
  await panel.locator("mark").first().waitFor();
  const marked = (await panel.locator("mark").allInnerTexts()).join(" ");
  expect(marked.includes("turbine"), `the passage is ${marked}`);
  const pinned = await panel.getByRole("button", { name: /^Pin/ }).count();
  expect(pinned === 0, "a file of a conversation can be pinned");
  await screenshot(page, folder, "citation");
  await panel.getByRole("button", { name: "Close document" }).click();
}

/** @param {Page} page */
async function reloadAndRemove(page) {
  await page.reload();
  await listOf(page).getByRole("button", { name: "Remove turbine.md" }).click();
  await listOf(page).getByRole("button", { name: "Remove turbine.md" }).waitFor({ state: "detached" });
  await listOf(page).getByRole("button", { name: "Remove walrus.md" }).waitFor();
}

/** @param {Page} page */
async function askElsewhere(page) {
  await page.getByRole("button", { name: "New chat" }).click();
  await listOf(page).waitFor({ state: "detached" });
  await ask(page);
  await page.getByText("I couldn't find anything about this").waitFor();
  const text = await page.locator("main").innerText();
  expect(!text.includes("sunflower"), "another conversation shows the file");
}

await inBrowser(folder, async (open, errors) => {
  const page = await open();
  for (const [name, stage] of Object.entries({ chooseFile, dropFiles, askAndOpen, reloadAndRemove, askElsewhere })) {
    await stage(page);
    console.log(name);
  }
  // Chromium reports the refused file as an error.
  expectNoErrors(errors.filter((error) => !error.includes("status of 422")));
});
