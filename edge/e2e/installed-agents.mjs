#!/usr/bin/env node
// Choose an installed agent, ask it, reload while it waits, answer its question, see that the conversation keeps it, and a standing question, too; then
// forbid it as an owner.
//
//   LOCAL_TOKEN=… node e2e/installed-agents.mjs BASE_URL _ SCREENSHOTS_FOLDER
//
// The installation has examples/agent-support as `support`, whose model calls refund_order, then says "Done.". On a failure, prints what was
// expected, saves a screenshot (failed.png) and exits with 1. CHROMIUM is the browser's program.

import { checkAppearances, expect, expectNoErrors, inBrowser } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", , folder = ""] = process.argv.slice(2);

/** @param {Page} page */
function choice(page) {
  return page.getByRole("combobox", { name: "Answer from" });
}

/** @param {Page} page */
async function ask(page) {
  await page.goto(`${base}/#token=${process.env["LOCAL_TOKEN"] ?? ""}`);
  await choice(page).selectOption({ label: "Agent: support" });
  await page.getByRole("textbox", { name: "Question" }).fill("Please refund order 1001.");
  await page.keyboard.press("Enter");
}

/** @param {Page} page */
async function answerAfterReload(page) {
  const question = page.getByRole("form", { name: "Answer the agent" });
  await question.getByText("Refund order 1001?").waitFor();
  await page.reload();
  await question.getByRole("button", { name: "yes" }).click();
  await page.getByText("Done.").waitFor();
  await page.getByText("Order 1001 is refunded.").waitFor();
  await page.getByText("Answered by the agent support.").waitFor();
  await checkAppearances(page, folder, "answer");
}

/** @param {Page} page */
async function conversationKeepsTheAgent(page) {
  await page.reload();
  await page.getByText("Answered by the agent support.").waitFor();
  await page.locator('option[value="agent:support"]').waitFor({ state: "attached" });
  expect((await choice(page).inputValue()) === "agent:support", "the conversation has lost its agent");
  await page.goto(base);
  await page.locator('option[value="agent:support"]').waitFor({ state: "attached" });
  expect((await choice(page).inputValue()) !== "agent:support", "a new conversation begins with the agent");
}

/** @param {Page} page */
async function standingQuestionHasTheAgent(page) {
  await page.goto(`${base}/standing-questions`);
  await page.getByRole("button", { name: "New standing question" }).click();
  const form = page.getByRole("form", { name: "New standing question" });
  await form.getByLabel("Answer from").selectOption({ label: "Agent" });
  await form.getByLabel("Agent").selectOption("support");
  await form.getByRole("button", { name: "Create" }).click();
  const card = page.getByRole("region", { name: "What changed this week" });
  await card.getByText("Answered by the agent support.").waitFor();
  await card.getByRole("button", { name: "Edit" }).click();
  const agent = page.getByLabel("Agent");
  await agent.locator('option[value="support"]').waitFor({ state: "attached" });
  expect((await agent.inputValue()) === "support", "the form has lost the agent");
  await page.getByRole("button", { name: "Cancel" }).click();
  await card.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete standing question" }).click();
  await page.getByText("You have no standing questions yet.").waitFor();
}

/** @param {Page} page */
async function forbid(page) {
  await page.goto(`${base}/workspace`);
  const agents = page.getByRole("form", { name: "Agents" });
  await agents.getByRole("checkbox", { name: "support" }).uncheck();
  await checkAppearances(page, folder, "workspace");
  const saved = page.waitForResponse((response) => response.url().endsWith("/api/agents"));
  await agents.getByRole("button", { name: "Save agents" }).click();
  await saved;
  await page.goto(base);
  await page.locator('option[value="agent"]').waitFor({ state: "attached" });
  expect((await page.locator('option[value="agent:support"]').count()) === 0, "a forbidden agent is offered");
}

await inBrowser(folder, async (open, errors) => {
  const page = await open();
  for (const step of [ask, answerAfterReload, conversationKeepsTheAgent, standingQuestionHasTheAgent, forbid]) {
    await step(page);
    console.log(step.name);
  }
  expectNoErrors(errors);
});
