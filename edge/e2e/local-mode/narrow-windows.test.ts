/** Pages in narrow windows. */

import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LOCAL_TOKEN } from "../../tests/local";
import { CHROMIUM, expectNoHorizontalScroll, NARROW } from "../browser.mjs";
import { clearPage, stack } from "../stack";
import { DOCUMENT } from "./web-faults.test";

describe.skipIf(!existsSync(CHROMIUM))("a narrow window (needs chromium)", () => {
  let page: Page;

  beforeAll(async () => {
    page = await stack.openPage();
  });

  afterAll(() => page.context().close());

  beforeEach(async () => {
    stack.chat.reset();
    await page.setViewportSize(NARROW);
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await page.getByRole("textbox", { name: "Question" }).waitFor();
  });

  afterEach(() => clearPage(page, stack.url));

  it("wraps a long title of a document", async () => {
    stack.chat.documents.set("d1", { ...DOCUMENT, title: "Unbreakable".repeat(30), text: "Text" });
    await page.goto(`${stack.url}/documents/d1`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await expectNoHorizontalScroll(page, "the document");
  });

  it("shows the current page in the navigation, also in forced colours", async () => {
    await page.route("**/api/standing-questions", (route) => route.fulfill({ json: { standing_questions: [] } }));
    await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
    await page.goto(`${stack.url}/standing-questions`);
    const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
    const current = links.and(page.locator("[aria-current=page]"));
    await expect.poll(async () => (await current.boundingBox())?.x).toBeLessThan(NARROW.width / 2);
    const borders = await links.evaluateAll((all) => all.map((link) => getComputedStyle(link).borderBottomColor));
    expect(borders.filter((color) => color !== borders[0])).toHaveLength(1);
    await page.emulateMedia({ forcedColors: "none" });
  });
});
