#!/usr/bin/env node
// Set that a tool needs an approval, ask an agent, reload while it waits, change the arguments and approve, answer its question,
// reject a call with a reason, stop an agent that waits.
//
//   LOCAL_TOKEN=… node e2e/agent-approvals.mjs BASE_URL _ SCREENSHOTS_FOLDER
//
// The agent's model: lists documents, asks "Which compass?", lists documents, then says "Done.". On a failure, prints what was
// expected, saves a screenshot (failed.png) and exits with 1. CHROMIUM is the browser's program.

import { checkAppearances, expect, expectNoErrors, inBrowser } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", , folder = ""] = process.argv.slice(2);

/** @param {Page} page */
async function requireApproval(page) {
  await page.goto(`${base}/workspace#token=${process.env["LOCAL_TOKEN"] ?? ""}`);
  const choice = page.getByRole("combobox", { name: "list_documents" });
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === "PATCH"),
    choice.selectOption({ label: "Ask for each call" }),
  ]);
  await page.reload();
  expect((await choice.inputValue()) === "always", "the approval was not stored");
}

/** @param {Page} page */
async function ask(page) {
  await page.goto(base);
  await page.getByRole("combobox", { name: "Answer from" }).selectOption("agent");
  await page.getByRole("textbox", { name: "Question" }).fill("Which documents are there?");
  await page.keyboard.press("Enter");
}

/** @param {Page} page */
function openApproval(page) {
  return page.getByRole("form", { name: "Approve list_documents" });
}

/** @param {Page} page */
async function approveAfterReload(page) {
  await ask(page);
  await openApproval(page).waitFor();
  await page.reload();
  await openApproval(page).waitFor();
  await checkAppearances(page, folder, "approval");
  await openApproval(page).getByRole("textbox", { name: "path" }).fill("guides/**");
  await openApproval(page).getByRole("button", { name: "Approve" }).click();
}

/** @param {Page} page */
async function answerQuestion(page) {
  const question = page.getByRole("form", { name: "Answer the agent" });
  await question.getByText("Which compass?").waitFor();
  await checkAppearances(page, folder, "question");
  await question.getByRole("button", { name: "The new one" }).click();
}

/** @param {Page} page */
async function reject(page) {
  await openApproval(page).getByRole("button", { name: "Reject…" }).click();
  await openApproval(page).getByRole("textbox", { name: "Reason" }).fill("Once is enough.");
  await openApproval(page).getByRole("button", { name: "Reject", exact: true }).click();
  await page.getByText("Done.").waitFor();
  const steps = page.getByRole("list", { name: "Steps" });
  await steps.getByText("rejected").waitFor();
  await steps.getByText("rejected").click();
  await steps.getByText("Once is enough.").waitFor();
}

/** @param {Page} page */
async function stopWhileItWaits(page) {
  await ask(page);
  await openApproval(page).waitFor();
  await page.getByRole("button", { name: "Stop answering" }).click();
  await page.getByText("This answer was stopped.").waitFor();
  await openApproval(page).waitFor({ state: "detached" });
}

await inBrowser(folder, async (open, errors) => {
  const page = await open();
  for (const step of [requireApproval, approveAfterReload, answerQuestion, reject, stopWhileItWaits]) {
    await step(page);
    console.log(step.name);
  }
  expectNoErrors(errors);
});
