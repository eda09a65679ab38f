#!/usr/bin/env node
// The main use case in a real browser: add a source, schedule and collect it, ask a question, check its citation, filter.
//
//   node e2e/collect-and-ask.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION
//
// Prints one line for each stage. On a failure, prints what was expected, saves a screenshot (failed.png) and exits with
// 1. CHROMIUM is the browser's program (/usr/bin/chromium), COLLECT_TIMEOUT_S the longest time for a collect (300).

import { addSource, ask } from "./actions.mjs";
import { branchConversation } from "./branch-conversation.mjs";
import {
  checkAppearances,
  expect,
  expectNoErrors,
  expectVisibleFocus,
  inBrowser,
  screenshot,
  LOCAL_TOKEN,
} from "./browser.mjs";
import { filterDocuments, filterQuestions } from "./filter-questions.mjs";
import { checkRunPage } from "./run-page.mjs";
import { setSchedule } from "./schedule-form.mjs";
import { organizeConversation, shareConversation } from "./share-conversation.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").Locator} Locator */
/** @typedef {{ documentId: string, start: number, end: number, text: string }} Citation */
/** @typedef {{ type: string, sourceId?: string, providerMetadata?: { headwater: Citation } }} Part */

const COLLECT_TIMEOUT_MS = Number(process.env["COLLECT_TIMEOUT_S"] ?? 300) * 1000;

const [base = "", gitUrl = "", folder = "", question = ""] = process.argv.slice(2);
if (question === "") {
  console.error("usage: collect-and-ask.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION");
  process.exit(2);
}

/** Collect the source. Returns the progress bar's values, which must not decrease. @param {Page} page @param {string} name */
async function collect(page, name) {
  const card = page.getByRole("article", { name }).last();
  await card.getByRole("button", { name: "Collect now" }).click();
  const bar = card.getByRole("progressbar");
  await bar.waitFor();
  const values = await bar.evaluateHandle((element) => {
    /** @type {number[]} */
    const seen = [];
    const note = () => seen.push(Number(element.getAttribute("aria-valuenow") ?? 0));
    note();
    new MutationObserver(note).observe(element, { attributes: true, attributeFilter: ["aria-valuenow"] });
    return seen;
  });
  await screenshot(page, folder, "2-collecting", false);
  const deadline = Date.now() + COLLECT_TIMEOUT_MS;
  const end = card.getByText(/^(Collected|Collected with errors|Failed|Cancelled)$/);
  while (!(await end.isVisible())) {
    expect(
      Date.now() < deadline,
      `the collect has not ended after ${COLLECT_TIMEOUT_MS / 1000} s: ${await bar.innerText()}`,
    );
    await page.waitForTimeout(200);
  }
  const state = await end.innerText();
  expect(state.startsWith("Collected"), `the collect ended as ${state}: ${await card.innerText()}`);
  await card.getByText(/^[1-9][\d,]* documents?$/).waitFor();
  await screenshot(page, folder, "3-collected", false);
  const seen = await values.jsonValue();
  seen.forEach((value, index) => {
    expect(index === 0 || value >= (seen[index - 1] ?? 0), `the progress bar went back: ${seen.join(", ")}`);
  });
  const last = await bar.getAttribute("aria-valuenow");
  expect(last === "100", `the progress bar ended at ${last}, not at 100: ${seen.join(", ")}`);
  return seen;
}

/** Reload the conversation, which must show the same answer. @param {Page} page */
async function reload(page) {
  expect(/\/chat\/.+/.test(page.url()), `the conversation has no URL of its own: ${page.url()}`);
  const before = await page.getByRole("article", { name: "Answer" }).last().innerText();
  await page.reload();
  const answer = page.getByRole("article", { name: "Answer" }).last();
  await answer.waitFor();
  expect((await answer.innerText()) === before, "the answer is different after a reload");
}

/** Whether part of `element` is visible within `within`. @param {Locator} element @param {Locator} within */
async function isWithinView(element, within) {
  const [inner, outer] = await Promise.all([element.boundingBox(), within.boundingBox()]);
  if (!inner || !outer) return false;
  return inner.y + inner.height > outer.y && inner.y < outer.y + outer.height && inner.height > 0;
}

/** Open the first citation. Its passage must be marked, visible and equal to the cited text. @param {Page} page */
async function openCitation(page) {
  const button = page.getByRole("button", { name: /^Citation \d+: ./ }).first();
  const n = (await button.innerText()).replace(/\D/g, "");
  await button.click();
  const panel = page.getByRole("dialog");
  const mark = panel.locator("mark").first();
  await mark.waitFor();
  const body = panel.getByRole("region", { name: "Document text" });
  expect(await isWithinView(mark, body), "the marked passage is not visible");
  const passage = await readCitation(page, n);
  const words = (await panel.locator("mark").allInnerTexts()).join(" ").match(/\w+/g) ?? [];
  expect(words.length > 0, "nothing is marked");
  for (const word of words) expect(passage.text.includes(word), `"${word}" is marked, but is not in the passage`);
  await screenshot(page, folder, "6-passage", false);

  const plainText = panel.getByRole("button", { name: "Plain text" });
  if (await plainText.isVisible()) await plainText.click();
  const marked = await mark.textContent();
  expect(marked === passage.text, `marked is ${JSON.stringify(marked)}, cited was ${JSON.stringify(passage.text)}`);
  expect(await isWithinView(mark, body), "the marked passage is not visible as written");
  await screenshot(page, folder, "7-as-written", false);

  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "hidden" });
  const focused = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "");
  expect(focused.startsWith(`Citation ${n}:`), "after Escape the focus is not on the citation");
  return passage;
}

/** Read citation `n` of the open conversation from the API. @param {Page} page @param {string} n */
async function readCitation(page, n) {
  const id = page.url().split("/").at(-1);
  const headers = { authorization: `Bearer ${LOCAL_TOKEN}` };
  const response = await page.request.get(`${base}/api/conversations/${id}`, { headers });
  /** @type {unknown} */
  const stored = await response.json();
  const { messages } = /** @type {{ messages: { parts: Part[] }[] }} */ (stored);
  const part = messages.at(-1)?.parts.find(({ type, sourceId }) => type === "source-document" && sourceId === n);
  expect(part?.providerMetadata, `the stored answer has no source ${n}`);
  return part.providerMetadata.headwater;
}

/**
 * Check every page in all appearances. The deep link marks the passage.
 *
 * @param {Page} page
 * @param {{ chat: string, passage: Citation }} view
 */
async function checkPages(page, { chat, passage }) {
  const { documentId, start, end } = passage;
  const places = {
    sources: "/sources",
    runs: "/runs",
    new: "/",
    filter: "/?filter=tag%3Aoverview",
    document: `/documents/${documentId}?start=${start}&end=${end}`,
  };
  for (const [place, path] of Object.entries(places)) {
    await page.goto(base + path);
    await page.getByRole("heading", { level: 1 }).first().waitFor({ state: "attached" });
    if (place === "document") await page.locator("mark").first().waitFor();
    if (place === "filter") await page.getByRole("button", { name: "Filter", exact: true }).click();
    await checkAppearances(page, folder, place);
  }
  await page.goto(chat);
  await page.getByRole("article", { name: "Answer" }).last().waitFor();
  await checkAppearances(page, folder, "chat");
  await page
    .getByRole("button", { name: /^Citation \d+: ./ })
    .first()
    .click();
  await page.getByRole("dialog").locator("mark").first().waitFor();
  await checkAppearances(page, folder, "passage");
}

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage();
  const name = await addSource(page, base, gitUrl, () => screenshot(page, folder, "1-add-source", false));
  console.log(`ok added ${name}`);
  console.log(`ok scheduled: ${(await setSchedule(page, name, errors)).join("; ")}`);
  console.log(`ok collected: ${(await collect(page, name)).join(" ")}`);
  await expectVisibleFocus(page, 8);
  console.log(`ok run: ${await checkRunPage(page, name)}`);
  await ask(page, question, () => screenshot(page, folder, "4-before-asking", false));
  await screenshot(page, folder, "5-answer", false);
  console.log("ok answered with citations");
  await reload(page);
  const passage = await openCitation(page);
  console.log(`ok passage ${passage.start} to ${passage.end} is marked and visible`);
  await expectVisibleFocus(page, 12);
  console.log("ok keyboard");
  const chat = page.url();
  await branchConversation(page, question, folder);
  console.log("ok branched");
  const title = await organizeConversation(page, question, folder);
  await shareConversation(page, title, folder);
  console.log("ok organized and shared");
  await filterQuestions(page, base, { question, errors });
  await filterDocuments(page, name);
  console.log("ok filtered");
  await checkPages(page, { chat, passage });
  console.log("ok all appearances");
  expectNoErrors(errors);
});
