// Pin, rename and find a conversation, share it, open the link signed out, and revoke it.

import { checkAppearances, expect, screenshot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** @param {Page} page @param {string} title @param {string} item */
async function chooseItem(page, title, item) {
  await page.getByRole("button", { name: `Options of the conversation: ${title}` }).click();
  await page.getByRole("button", { name: item, exact: true }).click();
}

/**
 * Pin, rename and find the open conversation. Returns its new title.
 *
 * @param {Page} page @param {string} title @param {string} folder for the screenshots
 */
export async function organizeConversation(page, title, folder) {
  const list = page.getByRole("navigation", { name: "Conversations" });
  await chooseItem(page, title, "Pin");
  await list.getByRole("link", { name: `Pinned: ${title}` }).waitFor();
  await chooseItem(page, title, "Rename…");
  const renamed = "What the documents say";
  await page.getByRole("textbox", { name: "Title" }).fill(renamed);
  await page.keyboard.press("Enter");
  await list.getByRole("link", { name: `Pinned: ${renamed}` }).waitFor();
  await page.getByRole("button", { name: `Options of the conversation: ${renamed}` }).click();
  await screenshot(page, folder, "conversation-menu");
  await page.keyboard.press("Escape");
  const search = page.getByRole("searchbox", { name: "Search conversations" });
  await search.fill("nothing has these words");
  await list.getByText("No conversation has all of these words.").waitFor();
  await search.fill("documents SAY");
  await list.getByRole("link", { name: renamed }).waitFor();
  const all = page.waitForResponse((response) => response.url().endsWith("/api/conversations"));
  await search.fill("");
  await all;
  const download = page.waitForEvent("download");
  await chooseItem(page, renamed, "Export as Markdown");
  expect((await download).suggestedFilename() === `${renamed}.md`, "the export has another name");
  await page.getByRole("button", { name: "Export as Markdown" }).waitFor({ state: "hidden" });
  return renamed;
}

/**
 * Share a conversation and read it in a browser that is not signed in; then revoke the link.
 *
 * @param {Page} page @param {string} title @param {string} folder for the screenshots
 */
export async function shareConversation(page, title, folder) {
  await chooseItem(page, title, "Share…");
  const dialog = page.getByRole("dialog", { name: "Share this conversation" });
  await dialog.getByRole("checkbox", { name: "Show the cited passages" }).check();
  await dialog.getByRole("button", { name: "Create link" }).click();
  const field = dialog.getByRole("textbox", { name: "Link" });
  await field.waitFor();
  const url = await field.inputValue();
  await dialog.getByRole("button", { name: `Revoke the link to ${title}` }).waitFor();
  await screenshot(page, folder, "share-dialog");

  const context = await page.context().browser()?.newContext();
  expect(context, "the browser is closed");
  const visitor = await context.newPage();
  /** @type {string[]} */
  const requests = [];
  visitor.on("request", (request) => requests.push(request.url()));
  const response = await visitor.goto(url);
  expect(response?.headers()["x-robots-tag"] === "noindex, nofollow", "the page of a link may be indexed");
  await visitor.getByRole("heading", { level: 1, name: title }).waitFor();
  const answer = visitor.getByRole("article", { name: "Answer" });
  await answer.getByRole("list", { name: "Sources" }).getByRole("blockquote").first().waitFor();
  await answer
    .getByRole("button", { name: /^Citation \d+: ./ })
    .first()
    .click();
  await checkAppearances(visitor, folder, "shared");
  const token = url.split("#")[1] ?? "";
  expect(token.startsWith("hws_"), `the link has no token: ${url}`);
  expect(
    requests.every((address) => !new URL(address).pathname.includes(token) && !address.includes(`?${token}`)),
    "a request has the token in its address",
  );

  const revoke = dialog.getByRole("button", { name: `Revoke the link to ${title}` });
  const confirmation = page.getByRole("dialog", { name: "Revoke this link?" });
  await revoke.click();
  await confirmation.waitFor();
  await screenshot(page, folder, "revoke-link");
  await page.keyboard.press("Escape");
  await confirmation.waitFor({ state: "detached" });
  await revoke.click();
  await confirmation.getByRole("button", { name: "Revoke link" }).click();
  await confirmation.waitFor({ state: "detached" });
  await revoke.waitFor({ state: "detached" });
  await visitor.reload();
  await visitor.getByText("This link doesn't exist, has expired or was revoked.").waitFor();
  await screenshot(visitor, folder, "shared-revoked");
  await context.close();
  await dialog.getByRole("button", { name: "Close" }).click();
}
