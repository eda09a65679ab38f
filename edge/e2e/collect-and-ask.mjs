#!/usr/bin/env node
// The main job, in a real browser: add a source, schedule and collect it, ask, check the citation.
//
//   node e2e/collect-and-ask.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION
//
// Prints one line a stage. Exit status 1, with what was expected and a last screenshot (failed.png), when something isn't
// so. CHROMIUM names the browser (/usr/bin/chromium), COLLECT_TIMEOUT_S how long the collect may take (300).

import { join } from "node:path";
import { addSource, ask } from "./actions.mjs";
import {
  expect,
  expectNone,
  expectNoSidewaysScroll,
  expectVisibleFocus,
  inBrowser,
  isWithinView,
  LOOKS,
} from "./browser.mjs";
import { lookAtRun } from "./run-page.mjs";
import { schedule } from "./schedule-form.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {{ documentId: string, start: number, end: number, text: string }} Citation */
/** @typedef {{ type: string, sourceId?: string, providerMetadata?: { headwater: Citation } }} Part */

const COLLECT_TIMEOUT_MS = Number(process.env["COLLECT_TIMEOUT_S"] ?? 300) * 1000;

const [base = "", gitUrl = "", folder = "", question = ""] = process.argv.slice(2);
if (question === "") {
  console.error("usage: collect-and-ask.mjs BASE_URL GIT_URL SCREENSHOTS_FOLDER QUESTION");
  process.exit(2);
}

/** @param {Page} page @param {string} name */
async function shot(page, name) {
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Collect the source, and watch the bar from beginning to end. @param {Page} page @param {string} name */
async function collect(page, name) {
  const card = page.getByRole("article", { name }).last();
  await card.getByRole("button", { name: "Collect now" }).click();
  const bar = card.getByRole("progressbar");
  await bar.waitFor();
  const watched = await bar.evaluateHandle((element) => {
    /** @type {number[]} */
    const seen = [];
    const note = () => seen.push(Number(element.getAttribute("aria-valuenow") ?? 0));
    note();
    new MutationObserver(note).observe(element, { attributes: true, attributeFilter: ["aria-valuenow"] });
    return seen;
  });
  await shot(page, "2-collecting");
  const deadline = Date.now() + COLLECT_TIMEOUT_MS;
  const end = card.getByText(/^(Collected|Collected with errors|Failed|Cancelled)$/);
  while (!(await end.isVisible())) {
    expect(
      Date.now() < deadline,
      `the collect hasn't ended after ${COLLECT_TIMEOUT_MS / 1000} s: ${await bar.innerText()}`,
    );
    await page.waitForTimeout(200);
  }
  const state = await end.innerText();
  expect(state.startsWith("Collected"), `the collect ended as ${state}: ${await card.innerText()}`);
  await card.getByText(/^[1-9][\d,]* documents?$/).waitFor();
  await shot(page, "3-collected");
  const seen = await watched.jsonValue();
  seen.forEach((value, index) => {
    expect(index === 0 || value >= (seen[index - 1] ?? 0), `the bar went back: ${seen.join(", ")}`);
  });
  const last = await bar.getAttribute("aria-valuenow");
  expect(last === "100", `the bar ended at ${last}, not at 100: ${seen.join(", ")}`);
  return seen;
}

/** After a reload the conversation, its answer and its citations are there again. @param {Page} page */
async function reload(page) {
  expect(/\/chat\/.+/.test(page.url()), `the conversation has no URL of its own: ${page.url()}`);
  const before = await page.getByRole("article", { name: "Answer" }).last().innerText();
  await page.reload();
  const answer = page.getByRole("article", { name: "Answer" }).last();
  await answer.waitFor();
  expect((await answer.innerText()) === before, "after a reload the answer is another one");
}

/** Open the first citation: the passage is marked, in view, and exactly what was cited. @param {Page} page */
async function openCitation(page) {
  const button = page.getByRole("button", { name: /^Citation \d+: ./ }).first();
  const n = (await button.innerText()).trim();
  await button.click();
  const panel = page.getByRole("dialog");
  const mark = panel.locator("mark").first();
  await mark.waitFor();
  const body = panel.getByRole("region", { name: "Document text" });
  expect(await isWithinView(mark, body), "the marked passage isn't in view");
  const passage = await citedAs(page, n);
  const words = (await panel.locator("mark").allInnerTexts()).join(" ").match(/\w+/g) ?? [];
  expect(words.length > 0, "nothing is marked");
  for (const word of words) expect(passage.text.includes(word), `"${word}" is marked, but isn't in the passage`);
  await shot(page, "6-passage");

  const plainText = panel.getByRole("button", { name: "Plain text" });
  if (await plainText.isVisible()) await plainText.click();
  const marked = await mark.textContent();
  expect(marked === passage.text, `marked is ${JSON.stringify(marked)}, cited was ${JSON.stringify(passage.text)}`);
  expect(await isWithinView(mark, body), "the marked passage isn't in view as it was written");
  await shot(page, "7-as-written");

  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "hidden" });
  const focused = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "");
  expect(focused.startsWith(`Citation ${n}:`), "after Escape the focus isn't back on the citation");
  return passage;
}

/** What the API says that citation `n` of the open conversation is. @param {Page} page @param {string} n */
async function citedAs(page, n) {
  const id = page.url().split("/").at(-1);
  const response = await page.request.get(`${base}/api/conversations/${id}`);
  /** @type {unknown} */
  const stored = await response.json();
  const { messages } = /** @type {{ messages: { parts: Part[] }[] }} */ (stored);
  const part = messages.at(-1)?.parts.find(({ type, sourceId }) => type === "source-document" && sourceId === n);
  expect(part?.providerMetadata, `the stored answer has no source ${n}`);
  return part.providerMetadata.headwater;
}

/**
 * Look at every page: no sideways scroll, the deep link marks the passage.
 *
 * @param {Page} page
 * @param {{ name: string, chat: string, passage: Citation }} view
 */
async function lookAround(page, { name, chat, passage }) {
  const { documentId, start, end } = passage;
  const places = {
    sources: "/sources",
    runs: "/runs",
    new: "/",
    document: `/documents/${documentId}?start=${start}&end=${end}`,
  };
  for (const [place, path] of Object.entries(places)) {
    await page.goto(base + path);
    await page.getByRole("heading", { level: 1 }).first().waitFor({ state: "attached" });
    if (place === "document") await page.locator("mark").first().waitFor();
    await page.waitForLoadState("networkidle");
    await expectNoSidewaysScroll(page, `${name} ${path}`);
    await shot(page, `${name}-${place}`);
  }
  await page.goto(chat);
  await page.getByRole("article", { name: "Answer" }).last().waitFor();
  await expectNoSidewaysScroll(page, `${name} chat`);
  await shot(page, `${name}-chat`);
  await page
    .getByRole("button", { name: /^Citation \d+: ./ })
    .first()
    .click();
  await page.getByRole("dialog").locator("mark").first().waitFor();
  await expectNoSidewaysScroll(page, `${name} passage`);
  await shot(page, `${name}-passage`);
}

await inBrowser(folder, async (opened, complaints) => {
  const page = await opened();
  const name = await addSource(page, base, gitUrl, () => shot(page, "1-add-source"));
  console.log(`ok added ${name}`);
  console.log(`ok scheduled: ${(await schedule(page, name, complaints)).join("; ")}`);
  console.log(`ok collected: ${(await collect(page, name)).join(" ")}`);
  await expectVisibleFocus(page, 8);
  console.log(`ok run: ${await lookAtRun(page, name)}`);
  await ask(page, question, () => shot(page, "4-before-asking"));
  await shot(page, "5-answer");
  console.log("ok answered with citations");
  await reload(page);
  const passage = await openCitation(page);
  console.log(`ok passage ${passage.start} to ${passage.end} is marked and in view`);
  await expectVisibleFocus(page, 12);
  console.log("ok keyboard");
  const chat = page.url();
  for (const [name, look] of Object.entries(LOOKS)) {
    await lookAround(await opened(look), { name, chat, passage });
    console.log(`ok ${name}`);
  }
  expectNone(complaints);
});
