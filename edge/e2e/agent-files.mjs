#!/usr/bin/env node
// Ask an agent that writes files in a real browser: see the picture and the list of files, open one, compare its versions, download it, remove it.
//
//   LOCAL_TOKEN=… node e2e/agent-files.mjs BASE_URL QUESTION SCREENSHOTS_FOLDER
//
// The agent's model writes report.md, then chart.png and another version of report.md. Prints one line for each stage. On a failure, prints what was expected, saves a screenshot (failed.png)
// and exits with 1. CHROMIUM is the browser's program.

import { readFile } from "node:fs/promises";
import { checkAppearances, expect, expectNoErrors, inBrowser } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", question = "", folder = ""] = process.argv.slice(2);
if (folder === "") {
  console.error("usage: agent-files.mjs BASE_URL QUESTION SCREENSHOTS_FOLDER");
  process.exit(2);
}

/** @param {Page} page */
async function ask(page) {
  await page.goto(`${base}/#token=${process.env["LOCAL_TOKEN"] ?? ""}`);
  await page.getByLabel("Answer from").selectOption("agent");
  await page.getByRole("textbox", { name: "Question" }).fill(question);
  await page.keyboard.press("Enter");
  await page.getByText("The chart is in chart.png.").waitFor();
}

/** @param {Page} page */
async function seeFiles(page) {
  const picture = page.getByRole("img", { name: "chart.png" });
  await picture.waitFor();
  const width = await picture.evaluate((image) => /** @type {HTMLImageElement} */ (image).naturalWidth);
  expect(width === 64, `the picture is ${String(width)} wide`);
  await page.getByText("2 files by the agent").click();
  const names = await page.getByRole("list", { name: "Files by the agent" }).getByRole("button").allInnerTexts();
  const shown = names.filter((name) => name !== "").join();
  expect(shown === "chart.png,report.md", `the list has ${shown}`);
  await checkAppearances(page, folder, "files");
}

/** @param {Page} page */
async function compareVersions(page) {
  await page.getByRole("button", { name: "report.md, version 2" }).click();
  const dialog = page.getByRole("dialog", { name: "report.md" });
  await dialog.getByText("Changes since version 1: +1 −0").waitFor();
  await checkAppearances(page, folder, "versions");
  await dialog.getByRole("button", { name: "Version 1" }).click();
  await dialog.getByText("New file: +1 −0").waitFor();
}

/** @param {Page} page */
async function download(page) {
  const dialog = page.getByRole("dialog", { name: "report.md" });
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    dialog.getByRole("button", { name: "Download" }).click(),
  ]);
  expect(saved.suggestedFilename() === "report.md", `it is saved as ${saved.suggestedFilename()}`);
  const content = await readFile(await saved.path(), "utf8");
  expect(content === "# Report\n", `version 1 is ${content}`);
  await dialog.getByRole("button", { name: "Close" }).click();
}

/** @param {Page} page */
async function remove(page) {
  await page.getByRole("button", { name: "Remove report.md" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove file" }).click();
  await page.getByText("1 file by the agent").waitFor();
}

/** The files are in the stored conversation, too. @param {Page} page */
async function reload(page) {
  await page.reload();
  await page.getByRole("img", { name: "chart.png" }).waitFor();
  await page.getByText("1 file by the agent").waitFor();
}

await inBrowser(folder, async (open, errors) => {
  const page = await open();
  for (const [name, stage] of Object.entries({ ask, seeFiles, compareVersions, download, remove, reload })) {
    await stage(page);
    console.log(name);
  }
  expectNoErrors(errors);
});
