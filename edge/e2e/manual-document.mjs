// Upload a document manually, change it after it was cited, and remove it.

import { ask, openDocuments } from "./actions.mjs";
import { checkAppearances, expectFocusKept } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const ON_CALL = "# On call\n\nThe engineer on call carries the marmalade pager.\n";

/** @param {Page} page @param {string} text */
async function upload(page, text) {
  const rows = await openDocuments(page, "kept", "added");
  await page.getByText("Add a document manually").click();
  const form = page.getByRole("form", { name: "Add a document manually" });
  await form.getByLabel("Path").fill("notes/on-call.md");
  await form.getByLabel("Text").fill(text);
  await form.getByRole("button", { name: "Add document" }).click();
  await page.getByRole("status").getByText("Manual change applied").waitFor();
  await rows.filter({ hasText: "notes/on-call.md" }).waitFor();
  await expectFocusKept(page, "adding a document");
}

/** Upload a document manually, ask about it, change it, and remove it. @param {Page} page @param {string} folder */
export async function uploadManually(page, folder) {
  const rows = await openDocuments(page, "kept", "added");
  await page.getByText("Add a document manually").click();
  const form = page.getByRole("form", { name: "Add a document manually" });
  await form.getByLabel("Path").fill("notes/../on-call.md");
  await form.getByLabel("Text").fill(ON_CALL);
  await form.getByRole("button", { name: "Add document" }).click();
  await form.getByRole("alert").getByText("Use a path such as notes/install.md").waitFor();
  await checkAppearances(page, folder, "by-hand");
  await page.getByText("Add a document manually").click();
  await upload(page, ON_CALL);
  await ask(page, "Who carries the marmalade pager?");
  await upload(page, ON_CALL.replace("carries", "always carries"));
  await openChangedCitation(page, folder);
  await openDocuments(page, "kept", "added");
  await rows.getByRole("button", { name: "Remove On call" }).click();
  await page.getByRole("button", { name: "Remove document" }).click();
  await page.getByText("No documents were added manually.").waitFor();
  await expectFocusKept(page, "removing a document");
}

/** The citation of a document that has changed since shows the passage as it is, and as it was. @param {Page} page @param {string} folder */
async function openChangedCitation(page, folder) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Chat" }).click();
  await page.getByRole("link", { name: "Who carries the marmalade pager?" }).click();
  await page
    .getByRole("button", { name: /^Citation \d+: On call/ })
    .first()
    .click();
  const panel = page.getByRole("dialog");
  await panel.locator("mark").filter({ hasText: "always carries the marmalade pager." }).waitFor();
  await panel.getByText("This document has changed since it was cited.").waitFor();
  await panel.getByText("Show the cited text").click();
  await panel.getByText("The engineer on call carries").waitFor();
  await checkAppearances(page, folder, "changed-passage");
  await panel.getByRole("link", { name: "Open full page" }).click();
  await page.reload();
  await page.locator("mark").filter({ hasText: "always carries" }).waitFor();
}
