#!/usr/bin/env node
// What becomes of documents, decided in a real browser: removals refused and accepted, one restored, a dry run, failures
// looked at and tried again, a document added by hand, a source paused, a run cancelled; first seen by a reader.
//
//   node e2e/manage-documents.mjs BASE_URL CLOUD_URL SCREENSHOTS_FOLDER OWNER READER
//
// The owner has the sources `kept` and `gone`, whose last listings lacked 25 of 30 documents, and `broken`, of which a
// document failed and to which another, new.md, has come since. CLOUD_URL is Cloud Tasks, whose queue is paused for a
// run to stay open. Prints one line a stage. Exit status 1, with what was expected and a last screenshot (failed.png),
// when something isn't so. CHROMIUM names the browser (/usr/bin/chromium).

import { ask, signIn } from "./actions.mjs";
import { expect, expectNoButtons, expectVisibleFocus, inBrowser, lookAt, shot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", cloud = "", folder = "", owner = "", reader = ""] = process.argv.slice(2);
if (reader === "") {
  console.error("usage: manage-documents.mjs BASE_URL CLOUD_URL SCREENSHOTS_FOLDER OWNER READER");
  process.exit(2);
}

/** The card of a source. @param {Page} page @param {string} name */
function cardOf(page, name) {
  return page.getByRole("article", { name });
}

/** @param {Page} page @param {string} name */
async function toSource(page, name) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Sources" }).click();
  const card = cardOf(page, name);
  await card.waitFor();
  return card;
}

/** @param {Page} page @param {string} name @param {string} shown */
async function toDocuments(page, name, shown) {
  await (await toSource(page, name)).getByRole("link", { name: "Documents" }).click();
  await page.getByRole("heading", { name: `Documents in ${name}` }).waitFor();
  await page.getByLabel("Show", { exact: true }).selectOption(shown);
  return page.getByRole("list", { name: "Documents" }).getByRole("listitem");
}

/** A reader sees what waits, but can't decide. @param {Page} page */
async function read(page) {
  await signIn(page, base, reader);
  const card = cardOf(page, "kept");
  await card.getByText("25 of 30 documents are no longer in the source.").waitFor();
  await card.getByText("Show documents").click();
  const missing = await card.locator("del").count();
  expect(missing === 25, `${missing} documents are shown as missing`);
  await expectNoButtons(page, "Sources");
  await shot(page, folder, "reader-withheld");
  const rows = await toDocuments(page, "kept", "current");
  await rows.nth(29).waitFor();
  await expectNoButtons(page, "Documents");
}

/** @param {Page} page */
async function refuse(page) {
  const card = cardOf(page, "kept");
  await card.getByText("25 of 30 documents").waitFor();
  await lookAt(page, folder, "withheld");
  await card.getByRole("button", { name: "Keep them" }).click();
  await card.getByText("25 of 30 documents").waitFor({ state: "detached" });
  await card.getByText("30 documents", { exact: true }).waitFor();
}

/** Accept, on the page of the run that withheld them, and bring one back. @param {Page} page */
async function acceptAndRestore(page) {
  await cardOf(page, "gone").getByRole("link", { name: "Latest run" }).click();
  const remove = page.getByRole("button", { name: "Remove 25 documents" }).first();
  await remove.click();
  const dialog = page.getByRole("dialog", { name: "Remove 25 documents from gone?" });
  await dialog.waitFor();
  await shot(page, folder, "accept");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await remove.click();
  await dialog.getByRole("button", { name: "Remove 25 documents" }).click();
  await page.getByRole("heading", { name: "Removal from gone" }).waitFor();
  await page.getByText("Removed", { exact: true }).waitFor();
  await shot(page, folder, "removal");
  const rows = await toDocuments(page, "gone", "deleted");
  await rows.nth(24).waitFor();
  await lookAt(page, folder, "deleted");
  const restore = rows.first().getByRole("button", { name: /^Restore / });
  const title = ((await restore.getAttribute("aria-label")) ?? "").replace("Restore ", "");
  await restore.click();
  await rows.nth(24).waitFor({ state: "detached" });
  await page.getByLabel("Show", { exact: true }).selectOption("current");
  await rows.filter({ hasText: title }).getByText("restored, no longer in the source").waitFor();
  await expectVisibleFocus(page, 10);
}

/** @param {Page} page */
async function tryFirst(page) {
  const card = await toSource(page, "broken");
  await card.getByRole("button", { name: "Preview changes" }).click();
  await page.getByRole("heading", { name: "Preview of broken" }).waitFor();
  await page.getByText("Nothing was changed.").waitFor();
  const rows = page.getByRole("list", { name: "Documents" }).getByRole("listitem");
  await rows.filter({ hasText: "new.md" }).getByText("to add").waitFor();
  await lookAt(page, folder, "dry-run");
  await (await toSource(page, "broken")).getByText("3 documents", { exact: true }).waitFor();
}

/** Look at why something failed, and try again; returns the page of the run that failed. @param {Page} page */
async function retry(page) {
  await cardOf(page, "broken").getByRole("link", { name: "All runs" }).click();
  await page.getByRole("listitem").filter({ hasText: "Collected with errors" }).getByRole("link").click();
  await page.getByRole("button", { name: "Retry failed documents" }).waitFor();
  const failed = page.url();
  const report = await page.getByRole("region", { name: "Run of broken" }).innerText();
  expect(/1 document failed\s+1 × .+bad\.md/.test(report), `the failures are told as: ${report}`);
  const steps = await page.getByRole("region", { name: "Steps", exact: true }).innerText();
  for (const kind of ["Listing", "Fetching", "Finishing"]) expect(steps.includes(kind), `no ${kind} in: ${steps}`);
  await page.getByLabel("State", { exact: true }).selectOption("failed");
  const rows = page.getByRole("list", { name: "Documents" }).getByRole("listitem");
  await rows.nth(1).waitFor({ state: "detached" });
  const told = await rows.first().innerText();
  expect(/bad\.md.*Trace projects\/local\/traces\/[0-9a-f]{32}/s.test(told), `the item is told as: ${told}`);
  await lookAt(page, folder, "failures");
  await page.getByRole("button", { name: "Retry failed documents" }).click();
  await page.getByRole("heading", { name: "Retry of broken" }).waitFor();
  await page.getByText("Retried with errors", { exact: true }).waitFor();
  return failed;
}

/** @param {Page} page */
async function addByHand(page) {
  const rows = await toDocuments(page, "kept", "added");
  await page.getByText("Add a document manually").click();
  const form = page.getByRole("form", { name: "Add a document manually" });
  await form.getByLabel("Path").fill("notes/../on-call.md");
  await form.getByLabel("Text").fill("# On call\n\nWhoever is on call carries the marmalade pager.\n");
  await form.getByRole("button", { name: "Add document" }).click();
  await form.getByRole("alert").getByText("A path such as notes/install.md is expected").waitFor();
  await lookAt(page, folder, "by-hand");
  await form.getByLabel("Path").fill("notes/on-call.md");
  await form.getByRole("button", { name: "Add document" }).click();
  await page.getByRole("status").getByText("Manual change applied").waitFor();
  await rows.filter({ hasText: "notes/on-call.md" }).waitFor();
  await ask(page, "Who carries the marmalade pager?");
  await toDocuments(page, "kept", "added");
  await rows.getByRole("button", { name: "Remove On call" }).click();
  await page.getByRole("button", { name: "Remove document" }).click();
  await page.getByText("No documents were added manually.").waitFor();
}

/** @param {Page} page */
async function pauseAndResume(page) {
  const card = await toSource(page, "kept");
  await card.getByRole("button", { name: "Pause source kept" }).click();
  await card.getByText("Resume the source to collect it again").waitFor();
  await shot(page, folder, "paused");
  await card.getByRole("button", { name: "Resume" }).click();
  await card.getByRole("button", { name: "Collect now" }).waitFor();
}

/** While a run is open another one is refused, with the reason; then it is cancelled. @param {Page} page @param {string} failed */
async function cancel(page, failed) {
  await queue("pause");
  try {
    const card = await toSource(page, "broken");
    await card.getByRole("button", { name: "Collect now" }).click();
    await card.getByRole("progressbar").waitFor();
    await card.getByRole("link", { name: "Latest run" }).click();
    await page.getByRole("heading", { name: "Run of broken" }).waitFor();
    const open = page.url();
    await page.goto(failed);
    await page.getByRole("button", { name: "Retry failed documents" }).click();
    await page.getByRole("alert").getByText("A run of this source is open").waitFor();
    await shot(page, folder, "refused");
    await page.goto(open);
    await lookAt(page, folder, "open");
    await page.getByRole("button", { name: "Cancel run" }).click();
    await page.getByText("Cancelled", { exact: true }).waitFor();
  } finally {
    await queue("resume");
  }
}

/** @param {"pause" | "resume"} verb */
async function queue(verb) {
  const path = `/v2/projects/local/locations/local/queues/collection:${verb}`;
  const answer = await fetch(cloud + path, { method: "POST" });
  expect(answer.ok, `${verb} is answered ${answer.status} ${await answer.text()}`);
}

await inBrowser(folder, async (opened, complaints) => {
  let page = await opened();
  await read(page);
  console.log("ok a reader has looked");
  page = await opened();
  await signIn(page, base, owner);
  await refuse(page);
  console.log("ok refused");
  await acceptAndRestore(page);
  console.log("ok accepted, and one restored");
  await tryFirst(page);
  console.log("ok tried");
  const failed = await retry(page);
  console.log("ok tried again what had failed");
  await addByHand(page);
  console.log("ok added by hand and removed");
  await pauseAndResume(page);
  console.log("ok paused and resumed");
  await cancel(page, failed);
  console.log("ok cancelled");
  // The refusals that were meant, one of each.
  const others = complaints.filter((complaint) => !/status of (409|422)/.test(complaint));
  expect(others.length === 0 && complaints.length === 2, `the browser complained:\n${complaints.join("\n")}`);
});
