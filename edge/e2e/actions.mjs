// What people do first, step by step: sign in, add a source, ask.

import { expect } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {() => Promise<void>} Look Called when there is something to see. */

const ANSWER_TIMEOUT_MS = 60_000;
/** @type {Look} */
const unseen = () => Promise.resolve();

/**
 * Go by the issuer's page, which asks for a name, and come back to the page that was left.
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
 * Add a repository as a source; returns the name that the form made of its URL.
 *
 * @param {Page} page @param {string} base @param {string} gitUrl @param {Look} look
 */
export async function addSource(page, base, gitUrl, look = unseen) {
  await page.goto(`${base}/sources`);
  const form = page.getByRole("form", { name: "Add a Git repository" });
  const add = page.getByRole("button", { name: "Add source" });
  await add.first().waitFor();
  if (!(await form.isVisible())) await add.click();
  await form.getByLabel("Git URL").fill(gitUrl);
  const name = await form.getByLabel("Name").inputValue();
  expect(name !== "", "the source's name isn't taken from its URL");
  await look();
  await form.getByRole("button", { name: "Add source" }).click();
  await page.getByRole("article", { name }).last().waitFor();
  return name;
}

/**
 * Ask with the keyboard alone, and wait for the answer's end; it must cite something.
 *
 * @param {Page} page @param {string} question @param {Look} look
 */
export async function ask(page, question, look = unseen) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Chat" }).click();
  const field = page.getByRole("textbox", { name: "Question" });
  await field.waitFor();
  await look();
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
