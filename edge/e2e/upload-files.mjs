#!/usr/bin/env node
// Upload files in a real browser: create a source for them, choose files, drop others, open, delete and restore a file, create a
// webhook, ask about a file, and open the citation of a PDF on its page.
//
//   LOCAL_TOKEN=… node e2e/upload-files.mjs BASE_URL FOLDER SCREENSHOTS_FOLDER
//
// FOLDER has `pump.md`, which names the torque of the pump's screws, `valve.md` and `manual.pdf`, whose second page says which
// faults stop the pump. Prints one line for each stage. On a
// failure, prints what was expected, saves a screenshot (failed.png) and exits with 1. CHROMIUM is the browser's program.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, cardOf } from "./actions.mjs";
import { checkAppearances, expect, expectNoErrors, inBrowser, screenshot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const NAME = "Manuals";
const [base = "", files = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: upload-files.mjs BASE_URL FOLDER SCREENSHOTS_FOLDER");
  process.exit(2);
}

/** @param {Page} page */
async function createSource(page) {
  await page.goto(`${base}/sources#token=${process.env["LOCAL_TOKEN"] ?? ""}`);
  const add = page.getByRole("button", { name: "Add source" });
  await add.first().waitFor();
  const form = page.getByRole("form", { name: "Add a source" });
  if (!(await form.isVisible())) await add.first().click();
  await form.getByLabel("Kind").selectOption("uploads");
  await form.getByLabel("Name").fill(NAME);
  await screenshot(page, folder, "form");
  await form.getByRole("button", { name: "Add source" }).click();
  await cardOf(page, NAME).getByText("Drop files or folders here").waitFor();
}

/** @param {Page} page */
async function chooseFiles(page) {
  const card = cardOf(page, NAME);
  await card.getByLabel(`Files for ${NAME}`).setInputFiles([join(files, "pump.md"), join(files, "valve.md")]);
  await card.getByText("2 of 2 uploaded.").waitFor();
  await card.getByText("2 documents", { exact: true }).waitFor();
  await checkAppearances(page, folder, "uploaded");
}

/** Drop a text, a PDF, and a file that the server refuses. @param {Page} page */
async function dropFiles(page) {
  const card = cardOf(page, NAME);
  const pdf = readFileSync(join(files, "manual.pdf")).toString("base64");
  const transfer = await page.evaluateHandle((encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    const transferred = new DataTransfer();
    transferred.items.add(new File(["# Dropped\n\nThe dropped page.\n"], "dropped.md", { type: "text/markdown" }));
    transferred.items.add(new File([bytes], "manual.pdf", { type: "application/pdf" }));
    transferred.items.add(new File([], "empty.md"));
    return transferred;
  }, pdf);
  await card.locator(".drop").dispatchEvent("drop", { dataTransfer: transfer });
  await card.getByText("2 of 3 uploaded.").waitFor();
  await card.getByRole("list", { name: "Not uploaded" }).getByText("The file is empty.").waitFor();
  await card.getByText("4 documents", { exact: true }).waitFor();
  await screenshot(page, folder, "dropped");
}

/** @param {Page} page */
async function openAndDelete(page) {
  const card = cardOf(page, NAME);
  await card.getByText("Files", { exact: true }).first().click();
  const list = card.getByRole("list", { name: "Files" });
  await list.getByRole("button", { name: "Delete dropped.md" }).waitFor();
  const [opened] = await Promise.all([
    page.context().waitForEvent("page"),
    list.getByRole("button", { name: "Open pump.md" }).click(),
  ]);
  const shown = await opened.locator("body").innerText();
  expect(shown.includes("Torque"), `the file shows ${shown}`);
  await opened.close();
  await list.getByRole("button", { name: "Delete dropped.md" }).click();
  await card.getByText("3 documents", { exact: true }).waitFor();
  await card.getByLabel("Show").selectOption("versions");
  await list.getByRole("button", { name: "Restore dropped.md" }).click();
  await card.getByText("4 documents", { exact: true }).waitFor();
  await checkAppearances(page, folder, "files");
}

/** @param {Page} page */
async function createWebhook(page) {
  const card = cardOf(page, NAME);
  await card.getByRole("button", { name: `Edit source ${NAME}` }).click();
  await card.getByRole("button", { name: "Create webhook" }).click();
  const address = await card.getByRole("textbox", { name: "Webhook address" }).inputValue();
  expect(/\/api\/hooks\/[0-9a-f-]{36}\/mail$/.test(address), `the webhook's address is ${address}`);
  const secret = await card.getByRole("textbox", { name: "Webhook secret" }).inputValue();
  const wrong = await page.request.post(address, { headers: { "x-gitlab-token": `${secret}x` } });
  const right = await page.request.post(address, { headers: { "x-gitlab-token": secret } }); // without a message
  expect(wrong.status() === 401, `a wrong secret gets ${String(wrong.status())}`);
  expect(right.status() === 422, `the secret gets ${String(right.status())}`);
  await checkAppearances(page, folder, "webhook");
  await card.getByRole("button", { name: "Remove webhook…" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove webhook" }).click();
  await card.getByRole("button", { name: "Create webhook" }).waitFor();
  await card.getByRole("button", { name: "Cancel" }).click();
}

/** @param {Page} page */
async function askAboutFile(page) {
  expect(readFileSync(join(files, "pump.md"), "utf8").includes("Torque"), "pump.md has no torque");
  await ask(page, "What torque do the pump's screws need?");
  await screenshot(page, folder, "answer");
}

/** Ask about the PDF, and open the citation on its page: in the panel, and in the browser's viewer. @param {Page} page */
async function openCitedPage(page) {
  await ask(page, "Which faults stop the pump at once?");
  await page
    .getByRole("button", { name: /^Citation \d+: Pump station handbook/ })
    .first()
    .click();
  const panel = page.getByRole("dialog");
  await panel.locator("mark").filter({ hasText: "Faults that end in seven stop the pump at once" }).first().waitFor();
  await panel.getByText("page 2").first().waitFor();
  await checkAppearances(page, folder, "cited-page");
  // Headless browsers download a PDF instead of showing it.
  await page.evaluate(() => {
    window.open = (address) => {
      document.documentElement.dataset["opened"] = String(address);
      return null;
    };
  });
  await panel.getByRole("button", { name: "Open page 2 of the file" }).click();
  await page.locator("html[data-opened]").waitFor();
  const opened = (await page.locator("html").getAttribute("data-opened")) ?? "";
  expect(/^blob:.*#page=2$/.test(opened), `the file is opened at ${opened}`);
}

await inBrowser(folder, async (open, errors) => {
  const page = await open();
  for (const [name, stage] of Object.entries({
    createSource,
    chooseFiles,
    dropFiles,
    openAndDelete,
    createWebhook,
    askAboutFile,
    openCitedPage,
  })) {
    await stage(page);
    console.log(name);
  }
  // Chromium reports the refused file as an error.
  expectNoErrors(errors.filter((error) => !error.includes("status of 422")));
});
