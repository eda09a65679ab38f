#!/usr/bin/env node
// An answer from the web, with its stages, a reload in its midst and another model that takes over; then one that is
// stopped and continued; and formulas and code of a document.
//
//   node e2e/web-answer.mjs BASE_URL - SCREENSHOTS_FOLDER WHOLE_TEXT DOCUMENT_ID
//
// The model must be slow, and so must one of the pages. It must pause after some words of an answer to "Stop this". CHROMIUM is the browser's program (/usr/bin/chromium).

import {
  expect,
  expectAccessible,
  expectNoErrors,
  expectNoHorizontalScroll,
  inBrowser,
  screenshot,
} from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

const [base = "", , folder = "", text = "", documentId = ""] = process.argv.slice(2);
const STAGES = ["Searching", "Reading ", "Answering from "];

/** Note each stage that the page shows. @param {Page} page */
async function watchStages(page) {
  return page.evaluateHandle(() => {
    /** @type {string[]} */
    const seen = [];
    new MutationObserver(() => {
      const shown = document.querySelector(".waiting")?.textContent;
      if (shown && shown !== seen.at(-1)) seen.push(shown);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
    return seen;
  });
}

/** @param {Page} page @param {string} question */
async function ask(page, question) {
  await page.getByRole("textbox", { name: "Question" }).fill(question);
  await page.keyboard.press("Enter");
}

/** @param {Page} page */
async function checkWebAnswer(page) {
  await page.goto(base);
  await page.getByRole("combobox", { name: "Answer from" }).selectOption("Web");
  const stages = await watchStages(page);
  await ask(page, "How many litres does the pump of series 07 deliver?");
  await page.getByText(/^Reading [1-9] of 3 pages/).waitFor();
  await screenshot(page, folder, "stages");
  const answer = page.getByRole("article", { name: "Answer" });
  await answer.getByText(/word5/).waitFor();
  const seen = await stages.jsonValue();
  const order = seen.map((shown) => STAGES.findIndex((stage) => shown.startsWith(stage))).filter((at) => at >= 0);
  expect(order.includes(0) && order.includes(1), `the stages were ${seen.join(" | ")}`);
  expect(
    order.every((at, n) => n === 0 || at >= (order[n - 1] ?? 0)),
    `the stages were ${seen.join(" | ")}`,
  );
  await page.reload();
  await page.getByText("Answered by openai:fake, because openai_compatible:down did not answer.").waitFor();
  await expectText(page);
  await answer.getByRole("link", { name: /Citation 1: Pump series/ }).waitFor();
  await answer.getByText("Read 2 of 3 pages of the web").click();
  await answer.getByText(/^Not read: /).waitFor();
  await screenshot(page, folder, "web-answer");
  await expectAccessible(page, "a web answer");
  await expectNoHorizontalScroll(page, "a web answer");
}

/** The answer's text must be the model's, without what screen readers skip. @param {Page} page */
async function expectText(page) {
  const shown = page.getByRole("article", { name: "Answer" }).last().locator(".prose");
  await shown.getByText(/word59/).waitFor();
  const words = (/** @type {string} */ value) => value.replace(/\[?1\]?\s*\.?\s*$/, "").trim();
  const read = words(await shown.innerText());
  expect(read === words(text), `the answer is ${read}`);
}

/** @param {Page} page */
async function stopAndContinue(page) {
  await page.goto(base);
  await page.getByRole("combobox", { name: "Answer from" }).selectOption("Documents");
  await ask(page, "Stop this: how do I install the compass?");
  const answer = page.getByRole("article", { name: "Answer" });
  await answer.getByText(/word5/).waitFor();
  await page.getByRole("button", { name: "Stop answering" }).click();
  await page.getByRole("button", { name: "Continue" }).waitFor();
  await screenshot(page, folder, "stopped");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("group", { name: "Versions of this answer" }).getByText("2/2", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Ask again" }).waitFor();
  await expectText(page);
  await screenshot(page, folder, "continued");
}

/** @param {Page} page */
async function checkDocument(page) {
  await page.goto(`${base}/documents/${documentId}`);
  await page.locator(".formula .katex").nth(1).waitFor();
  await page.locator(".hljs-keyword").first().waitFor();
  await expectAccessible(page, "a document with formulas");
  await expectNoHorizontalScroll(page, "a document with formulas");
  await screenshot(page, folder, "document");
}

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage();
  await checkWebAnswer(page);
  await stopAndContinue(page);
  await checkDocument(page);
  expectNoErrors(errors);
});
