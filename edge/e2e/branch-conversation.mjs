// Ask again, edit a question, switch between versions, copy an answer and jump to the end.

import { DESK, expect, expectAccessible, expectNoHorizontalScroll, screenshot } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const TIMEOUT_MS = 60_000;

/** Wait for a version of a message, such as "2/3". @param {Page} page @param {string} group @param {string} at */
async function waitForVersion(page, group, at) {
  const versions = page.getByRole("group", { name: group });
  await versions.getByText(at, { exact: true }).waitFor({ timeout: TIMEOUT_MS });
  return versions;
}

/**
 * Branch the open conversation, which has one question, and return to its first version.
 *
 * @param {Page} page @param {string} question @param {string} folder for the screenshots
 */
export async function branchConversation(page, question, folder) {
  const thread = page.getByRole("log", { name: "Conversation" });
  const answer = page.getByRole("article", { name: "Answer" });
  await page.getByRole("button", { name: "Ask again" }).click();
  const answers = await waitForVersion(page, "Versions of this answer", "2/2");
  await screenshot(page, folder, "branch-answer");
  await answers.getByRole("button", { name: "Previous version" }).click();
  await waitForVersion(page, "Versions of this answer", "1/2");

  const edit = page.getByRole("button", { name: "Edit", exact: true });
  const field = page.getByRole("textbox", { name: "Edit question" });
  await edit.click();
  await field.press("Escape");
  await edit.and(page.locator(":focus")).click();
  expect((await field.inputValue()) === question, "the field to edit the question has another text");
  const edited = `${question.replace(/\W+$/, "")}, please?`;
  await field.fill(edited);
  await screenshot(page, folder, "branch-editing");
  await page.keyboard.press("Enter");
  const questions = await waitForVersion(page, "Versions of this question", "2/2");
  await thread.getByText(edited, { exact: true }).waitFor();
  await page.getByRole("button", { name: "Ask again" }).waitFor();
  await screenshot(page, folder, "branch-question");
  await expectAccessible(page, "a branched conversation");
  await expectNoHorizontalScroll(page, "a branched conversation");

  await page.reload();
  await thread.getByText(edited, { exact: true }).waitFor();
  await questions.getByRole("button", { name: "Previous version" }).click();
  await thread.getByText(question, { exact: true }).waitFor();
  await waitForVersion(page, "Versions of this answer", "2/2"); // the newest answer to this version

  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.getByRole("button", { name: "Copy", exact: true }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(/\[1\][^]*\n\nSources:\n\n- \\\[\d+\\\] /.test(copied), `the copied answer has no sources: ${copied}`);

  await page.setViewportSize({ ...DESK, height: 420 });
  const scroller = page.locator(".scroller");
  // The window's new size arrives later.
  await page.waitForFunction(() => {
    const element = document.querySelector(".scroller");
    return element !== null && element.scrollHeight > element.clientHeight + 100;
  });
  await scroller.evaluate((element) => {
    element.scrollTop = 0;
  });
  const jump = page.getByRole("button", { name: "Jump to the end" });
  await jump.waitFor();
  await screenshot(page, folder, "jump-to-end");
  await jump.click();
  await jump.waitFor({ state: "hidden" });
  expect(await answer.isVisible(), "the answer is not visible at the end");
  await page.setViewportSize(DESK);
}
