// Actions that several scripts share: sign in, add a source, ask a question.

import { expect } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {() => Promise<void>} TakeScreenshot Called at a moment that is worth a screenshot. */

const ANSWER_TIMEOUT_MS = 60_000;
/** @type {TakeScreenshot} */
const noScreenshot = () => Promise.resolve();

/**
 * Sign in as `name` on the issuer's page, which returns to the Sources page.
 *
 * @param {Page} page @param {string} base @param {string} name
 */
export async function signIn(page, base, name) {
  await page.goto(`${base}/sources`);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("heading", { name: "Issuer" }).waitFor();
  await page.getByLabel("Name").fill(name);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Sources" }).waitFor();
  expect(page.url() === `${base}/sources`, `after signing in the address is ${page.url()}`);
}

/**
 * Add a repository as a source. Returns its name, which the form derives from the URL.
 *
 * @param {Page} page @param {string} base @param {string} gitUrl @param {TakeScreenshot} screenshot
 */
export async function addSource(page, base, gitUrl, screenshot = noScreenshot) {
  await page.goto(`${base}/sources`);
  const form = page.getByRole("form", { name: "Add a source" });
  const add = page.getByRole("button", { name: "Add source" });
  await add.first().waitFor();
  if (!(await form.isVisible())) await add.click();
  await form.getByLabel("Repository URL").fill(gitUrl);
  const name = await form.getByLabel("Name").inputValue();
  expect(name !== "", "the form derives no name from the URL");
  await screenshot();
  await form.getByRole("button", { name: "Add source" }).click();
  await page.getByRole("article", { name }).last().waitFor();
  return name;
}

/**
 * Ask a question with the keyboard and wait until the answer is complete. It must have a citation.
 *
 * @param {Page} page @param {string} question @param {TakeScreenshot} screenshot
 */
export async function ask(page, question, screenshot = noScreenshot) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Chat" }).click();
  const field = page.getByRole("textbox", { name: "Question" });
  await field.waitFor();
  await screenshot();
  await field.focus();
  await page.keyboard.type(question);
  await page.keyboard.press("Enter");
  const citations = page.getByRole("button", { name: /^Citation \d+: ./ });
  await Promise.race([
    citations.first().waitFor({ timeout: ANSWER_TIMEOUT_MS }),
    page.getByRole("alert").waitFor({ timeout: ANSWER_TIMEOUT_MS }),
  ]);
  const alert = page.getByRole("alert");
  expect((await alert.count()) === 0, `asking failed: ${(await alert.allInnerTexts()).join()}`);
  await page.getByRole("button", { name: "Ask", exact: true }).waitFor({ timeout: ANSWER_TIMEOUT_MS });
  await page.getByRole("list", { name: "Sources" }).waitFor();
}

/** Find the card of a source. @param {Page} page @param {string} name */
export function cardOf(page, name) {
  return page.getByRole("article", { name });
}

/** @param {Page} page @param {string} name */
export async function openSources(page, name) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Sources" }).click();
  const card = cardOf(page, name);
  await card.waitFor();
  return card;
}

/** @param {Page} page @param {string} name @param {string} shown */
export async function openDocuments(page, name, shown) {
  await (await openSources(page, name)).getByRole("link", { name: "Documents" }).click();
  await page.getByRole("heading", { name: `Documents in ${name}` }).waitFor();
  await page.getByLabel("Show", { exact: true }).selectOption(shown);
  return page.getByRole("list", { name: "Documents" }).getByRole("listitem");
}
