#!/usr/bin/env node
// Take the README's screenshots. scripts/screenshots runs this with a stack that has collected a source.
//
//   node scripts/screenshots.mjs BASE_URL FOLDER QUESTION
//
// Writes FOLDER/sources.png and FOLDER/chat.png. CHROMIUM names the browser, LOCAL_TOKEN is the stack's token.

import { join } from "node:path";
import { ask } from "../e2e/actions.mjs";
import { expectNoErrors, inBrowser } from "../e2e/browser.mjs";

const CHAT = { width: 1280, height: 680 };
const SOURCES = { width: 1100, height: 420 };

const [base = "", folder = "", question = ""] = process.argv.slice(2);

await inBrowser(folder, async (openPage, errors) => {
  const page = await openPage({ colorScheme: "light", viewport: SOURCES });
  await page.goto(`${base}/sources`);
  await page.getByRole("article", { name: "Headwater docs" }).getByText("Collected", { exact: true }).waitFor();
  await page.waitForLoadState("networkidle");
  await page.screenshot({ path: join(folder, "sources.png") });
  await page.setViewportSize(CHAT);
  await ask(page, question);
  const citation = page.getByRole("button", { name: /^Citation \d+: ./ }).first();
  await citation.scrollIntoViewIfNeeded();
  await citation.click();
  await page.mouse.move(0, 0);
  await page.getByRole("dialog").locator("mark").first().waitFor();
  await page.waitForLoadState("networkidle");
  await page.screenshot({ path: join(folder, "chat.png") });
  expectNoErrors(errors);
});
