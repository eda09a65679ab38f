#!/usr/bin/env node
// Manage documents and runs in a real browser: reject and accept removals, restore a document, pin and hide one, do a dry
// run, inspect and retry failures, upload a document, change it after it was cited, pause a source, cancel a run. First, a
// reader views the same pages.
//
//   node e2e/manage-documents.mjs BASE_URL CLOUD_URL SCREENSHOTS_FOLDER OWNER READER CLOUD_TOKEN
//
// The owner has the sources `kept` and `gone`, whose last listings lacked 25 of 30 documents, and `broken`, with one failed
// document and one, new.md, that was added after the last run. CLOUD_URL is Cloud Tasks: its queue is paused to keep a run
// open. Prints one line for each stage. On a failure, prints what was expected, saves a screenshot (failed.png) and exits
// with 1. CHROMIUM is the browser's program (/usr/bin/chromium).

import { cardOf, openDocuments, openSources, signIn } from "./actions.mjs";
import {
  checkAppearances,
  expect,
  expectFocusKept,
  expectNoButtons,
  expectVisibleFocus,
  inBrowser,
  screenshot,
} from "./browser.mjs";
import { uploadManually } from "./manual-document.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", cloud = "", folder = "", owner = "", reader = "", cloudToken = ""] = process.argv.slice(2);
if (cloudToken === "") {
  console.error("usage: manage-documents.mjs BASE_URL CLOUD_URL SCREENSHOTS_FOLDER OWNER READER CLOUD_TOKEN");
  process.exit(2);
}

/** A reader sees withheld removals but no buttons to decide. @param {Page} page */
async function viewAsReader(page) {
  await signIn(page, base, reader);
  const card = cardOf(page, "kept");
  await card.getByText("25 of 30 documents are no longer in the source.").waitFor();
  await card.getByText("Show documents").click();
  const missing = await card.locator("del").count();
  expect(missing === 25, `${missing} documents are shown as missing`);
  await expectNoButtons(page, "Sources");
  await screenshot(page, folder, "reader-withheld");
  const rows = await openDocuments(page, "kept", "current");
  await rows.nth(29).waitFor();
  await expectNoButtons(page, "Documents");
}

/** Reject withheld removals. @param {Page} page */
async function rejectRemovals(page) {
  const card = cardOf(page, "kept");
  await card.getByText("25 of 30 documents").waitFor();
  await checkAppearances(page, folder, "withheld");
  await card.getByRole("button", { name: "Keep them" }).click();
  await card.getByText("25 of 30 documents").waitFor({ state: "detached" });
  await card.getByText("30 documents", { exact: true }).waitFor();
}

/** Pin a document on its page, undo that, hide it, and undo that in the list of hidden ones. @param {Page} page */
async function pinAndHide(page) {
  const rows = await openDocuments(page, "kept", "current");
  await rows.first().getByRole("link").click();
  await page.getByRole("button", { name: /^Pin / }).click();
  await page.getByText("This document is pinned").waitFor();
  await expectFocusKept(page, "pinning a document");
  await page.getByRole("button", { name: /^Unpin / }).click();
  await page.getByRole("button", { name: /^Hide / }).click();
  await page.getByText("This document is hidden").waitFor();
  const hidden = await openDocuments(page, "kept", "hidden");
  await hidden.getByText("hidden from search").waitFor();
  await hidden.getByRole("button", { name: /^Unhide / }).click();
  await page.getByText("No documents are hidden.").waitFor();
}

/** Accept removals on the page of the run that withheld them, then restore one document. @param {Page} page */
async function acceptAndRestore(page) {
  await cardOf(page, "gone").getByRole("link", { name: "Latest run" }).click();
  const remove = page.getByRole("button", { name: "Remove 25 documents" }).first();
  await remove.click();
  const dialog = page.getByRole("dialog", { name: "Remove 25 documents from gone?" });
  await dialog.waitFor();
  await screenshot(page, folder, "accept");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await remove.click();
  await dialog.getByRole("button", { name: "Remove 25 documents" }).click();
  await page.getByRole("heading", { name: "Removal from gone" }).waitFor();
  await page.getByText("Removed", { exact: true }).waitFor();
  await screenshot(page, folder, "removal");
  const rows = await openDocuments(page, "gone", "deleted");
  await rows.nth(24).waitFor();
  await checkAppearances(page, folder, "deleted");
  const restore = rows.first().getByRole("button", { name: /^Restore / });
  const title = ((await restore.getAttribute("aria-label")) ?? "").replace("Restore ", "");
  await restore.click();
  await rows.nth(24).waitFor({ state: "detached" });
  await expectFocusKept(page, "restoring a document");
  await page.getByLabel("Show", { exact: true }).selectOption("current");
  await rows.filter({ hasText: title }).getByText("restored, no longer in the source").waitFor();
  await expectVisibleFocus(page, 10);
}

/** @param {Page} page */
async function dryRun(page) {
  const card = await openSources(page, "broken");
  await card.getByRole("button", { name: "Preview changes" }).click();
  await page.getByRole("heading", { name: "Preview of broken" }).waitFor();
  await page.getByText("Nothing was changed.").waitFor();
  const rows = page.getByRole("list", { name: "Documents" }).getByRole("listitem");
  await rows.filter({ hasText: "new.md" }).getByText("to add").waitFor();
  await checkAppearances(page, folder, "dry-run");
  await (await openSources(page, "broken")).getByText("3 documents", { exact: true }).waitFor();
}

/** Inspect the failures of a run and retry them. Returns the URL of the failed run's page. @param {Page} page */
async function retry(page) {
  await cardOf(page, "broken").getByRole("link", { name: "All runs" }).click();
  await page.getByRole("listitem").filter({ hasText: "Collected with errors" }).getByRole("link").click();
  await page.getByRole("button", { name: "Retry failed documents" }).waitFor();
  const failed = page.url();
  const report = await page.getByRole("region", { name: "Run of broken" }).innerText();
  expect(/1 document failed\s+1 × .+bad\.md/.test(report), `the failures are shown as: ${report}`);
  const steps = await page.getByRole("region", { name: "Steps", exact: true }).innerText();
  for (const kind of ["Listing", "Fetching", "Finishing"]) expect(steps.includes(kind), `no ${kind} in: ${steps}`);
  await page.getByLabel("State", { exact: true }).selectOption("failed");
  const rows = page.getByRole("list", { name: "Documents" }).getByRole("listitem");
  await rows.nth(1).waitFor({ state: "detached" });
  const text = await rows.first().innerText();
  expect(/bad\.md.*Trace projects\/local\/traces\/[0-9a-f]{32}/s.test(text), `the item is shown as: ${text}`);
  await checkAppearances(page, folder, "failures");
  await page.getByRole("button", { name: "Retry failed documents" }).click();
  await page.getByRole("heading", { name: "Retry of broken" }).waitFor();
  await page.getByText("Retried with errors", { exact: true }).waitFor();
  return failed;
}

/** @param {Page} page */
async function pauseAndResume(page) {
  const card = await openSources(page, "kept");
  await card.getByRole("button", { name: "Pause source kept" }).click();
  await card.getByText("Resume the source to collect it again").waitFor();
  await screenshot(page, folder, "paused");
  await card.getByRole("button", { name: "Resume" }).click();
  await card.getByRole("button", { name: "Collect now" }).waitFor();
}

/** While a run is open, another one is rejected with the reason. Then cancel the run. @param {Page} page @param {string} failed */
async function cancel(page, failed) {
  await queue("pause");
  try {
    const card = await openSources(page, "broken");
    const link = card.getByRole("link", { name: "Latest run" });
    const previous = (await link.getAttribute("href")) ?? "";
    await card.getByRole("button", { name: "Collect now" }).click();
    await card.locator(`a[href="${previous}"]`).waitFor({ state: "detached" });
    await card.getByRole("progressbar").waitFor();
    await link.click();
    await page.getByRole("heading", { name: "Run of broken" }).waitFor();
    const open = page.url();
    await page.goto(failed);
    await page.getByRole("button", { name: "Retry failed documents" }).click();
    await page.getByRole("alert").getByText("Another run of this source is open").waitFor();
    await screenshot(page, folder, "refused");
    await page.goto(open);
    await checkAppearances(page, folder, "open");
    await page.getByRole("button", { name: "Cancel run" }).click();
    await page.getByText("Cancelled", { exact: true }).waitFor();
  } finally {
    await queue("resume");
  }
}

/** @param {"pause" | "resume"} verb */
async function queue(verb) {
  const path = `/v2/projects/local/locations/local/queues/collection:${verb}`;
  const headers = { authorization: `Bearer ${cloudToken}` };
  const response = await fetch(cloud + path, { method: "POST", headers });
  expect(response.ok, `${verb} returned ${response.status} ${await response.text()}`);
}

await inBrowser(folder, async (openPage, errors) => {
  let page = await openPage();
  await viewAsReader(page);
  console.log("ok viewed as reader");
  page = await openPage();
  await signIn(page, base, owner);
  await rejectRemovals(page);
  console.log("ok rejected removals");
  await acceptAndRestore(page);
  console.log("ok accepted removals and restored a document");
  await pinAndHide(page);
  console.log("ok pinned and hid a document");
  await dryRun(page);
  console.log("ok dry run");
  const failed = await retry(page);
  console.log("ok retried failures");
  await uploadManually(page, folder);
  console.log("ok uploaded, changed and removed a document");
  await pauseAndResume(page);
  console.log("ok paused and resumed");
  await cancel(page, failed);
  console.log("ok cancelled a run");
  // The console shows the two rejected requests, one 409 and one 422.
  const others = errors.filter((error) => !/status of (409|422)/.test(error));
  expect(others.length === 0 && errors.length === 2, `errors in the browser's console:\n${errors.join("\n")}`);
});
