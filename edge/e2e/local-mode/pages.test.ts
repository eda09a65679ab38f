/** Pages of the app in a real browser: narrow windows, pages that fail. */

import { existsSync } from "node:fs";
import type { Locator, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { makeRun } from "../../web/src/testing/make-run";
import { makeSource } from "../../web/src/testing/make-source";
import { CHROMIUM, expectNoHorizontalScroll, NARROW } from "../browser.mjs";
import { openApp, stack } from "../stack";
import { DOCUMENT } from "./web-faults.test";

describe.skipIf(!existsSync(CHROMIUM))("a page (needs chromium)", () => {
  let page: Page;

  openApp((opened) => {
    page = opened;
  });

  it("wraps a long title in a narrow window", async () => {
    await page.setViewportSize(NARROW);
    stack.chat.documents.set("d1", { ...DOCUMENT, title: "Unbreakable".repeat(30), text: "Text" });
    await page.goto(`${stack.url}/documents/d1`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await expectNoHorizontalScroll(page, "the document");
  });

  it("of the chat can be used at a zoom of 400 %", async () => {
    stack.chat.wordEveryMs = 5;
    const models = { models: [], configured: true, agents: false, web: true };
    await page.route("**/api/models", (route) => route.fulfill({ json: models }));
    stack.chat.documents.set("d1", { ...DOCUMENT, text: "Text\n\n```sh\ncode\n```\n\n".repeat(30) });
    await page.setViewportSize({ width: 320, height: 256 });
    await page.reload();
    await page.getByRole("textbox", { name: "Question" }).fill("Why?");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await page.getByRole("button", { name: "Citation 1: A title" }).click();
    const panel = page.getByRole("dialog");
    await panel.locator("mark").first().waitFor();
    const heights = await panel.evaluate(({ scrollHeight, clientHeight }) => [scrollHeight, clientHeight]);
    expect(heights[0]).toBe(heights[1]); // only its text scrolls
    await panel.getByRole("button", { name: "Close document" }).click();
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByLabel("Answer from").selectOption("Web");
  });

  it("is shown in the navigation of a narrow window, also in forced colours", async () => {
    await page.route("**/api/standing-questions", (route) => route.fulfill({ json: { standing_questions: [] } }));
    await page.setViewportSize(NARROW);
    await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
    await page.goto(`${stack.url}/standing-questions`);
    const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
    const current = links.and(page.locator("[aria-current=page]"));
    await expect.poll(async () => (await current.boundingBox())?.x).toBeLessThan(NARROW.width / 2);
    const borders = await links.evaluateAll((all) => all.map((link) => getComputedStyle(link).borderBottomColor));
    expect(borders.filter((color) => color !== borders[0])).toHaveLength(1);
    await page.emulateMedia({ forcedColors: "none" });
  });

  it("of usage scrolls its table by keyboard in a narrow window", async () => {
    const tokens = { input_tokens: 1000, cached_tokens: 0, output_tokens: 1000, reasoning_tokens: 0 };
    const sums = { kind: "chat", day: "2026-01-01", model: "openai:gpt-5", calls: 1, unpriced_calls: 0, cost: 1 };
    const report = { since: "2026-01-01", until: "2026-01-02", prices_date: "2026-01-01" };
    await page.route("**/api/usage?*", (route) =>
      route.fulfill({ json: { ...report, rows: [{ ...tokens, ...sums }] } }),
    );
    await page.route("**/api/usage/declined", (route) => route.fulfill({ json: { total: 0, questions: [] } }));
    await page.route("**/api/budgets", (route) => route.fulfill({ json: { budgets: [] } }));
    await page.setViewportSize(NARROW);
    await page.getByRole("link", { name: "Usage" }).click();
    const table = page.getByRole("region", { name: "Table of costs" });
    await table.focus();
    await page.keyboard.press("ArrowRight");
    await expect.poll(() => table.evaluate((region) => region.scrollLeft)).toBeGreaterThan(0);
  });

  it("shows which of two buttons is pressed in forced colours", async () => {
    stack.chat.documents.set("d1", { ...DOCUMENT, text: "# Beans" });
    await page.goto(`${stack.url}/documents/d1`);
    await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
    const background = (shown: Locator): Promise<string> =>
      shown.evaluate((element) => getComputedStyle(element).backgroundColor);
    const ofPage = await background(page.locator("html"));
    expect(await background(page.getByRole("button", { name: "Formatted" }))).not.toBe(ofPage);
    await page.emulateMedia({ forcedColors: "none" });
  });

  it("is shown from its start, and after Back where it was left", async () => {
    const sources = Array.from({ length: 40 }, (_, n) => makeSource({ id: `s${n}`, name: `Handbook ${n}` }));
    await page.route("**/api/source-kinds", (route) => route.fulfill({ json: { kinds: [], unavailable: [] } }));
    await page.route("**/api/sources", (route) => route.fulfill({ json: { sources } }));
    await page.route("**/api/documents?*", (route) => route.fulfill({ json: { documents: [], next: null } }));
    await page.setViewportSize({ width: 1000, height: 500 });
    const heading = page.getByRole("heading", { level: 1 });
    await page.getByRole("link", { name: "Extract" }).click(); // whose form is longer than the window
    expect((await heading.boundingBox())?.y).toBeGreaterThan(60);
    await page.getByRole("link", { name: "Sources", exact: true }).click();
    await page.getByRole("article", { name: "Handbook 30" }).getByRole("link", { name: "Documents" }).click();
    await page.getByRole("heading", { name: "Documents in Handbook 30" }).waitFor();
    expect(await page.evaluate(() => scrollY)).toBe(0);
    await page.goBack();
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(2000);
    const card = await page.getByRole("article", { name: "Handbook 30" }).boundingBox();
    expect(card?.y).toBeLessThan(500);
  });

  it("does not scroll what has the focus behind its navigation", async () => {
    await page.route("**/api/source-kinds", (route) => route.fulfill({ json: { kinds: [], unavailable: [] } }));
    const sources = ["one", "two", "three", "four"].map((id) => makeSource({ id, name: id }));
    await page.route("**/api/sources", (route) => route.fulfill({ json: { sources } }));
    await page.setViewportSize({ width: 1000, height: 300 });
    await page.goto(`${stack.url}/sources`);
    const covered = page.getByRole("button", { name: "Delete source one" });
    await page.getByRole("article", { name: "two" }).getByRole("link").first().focus();
    await covered.evaluate((button) => {
      window.scrollBy(0, button.getBoundingClientRect().top - 5);
    });
    await page.keyboard.press("Shift+Tab");
    expect(await covered.evaluate((button) => button === document.activeElement)).toBe(true);
    const navigation = await page.getByRole("banner").boundingBox();
    await expect.poll(async () => (await covered.boundingBox())?.y).toBeGreaterThanOrEqual(navigation?.height ?? NaN);
  });

  it("that fails is shown beside the navigation", async () => {
    await page.route(/\/api\/runs\?/, (route) => route.fulfill({ json: { runs: [null] } }));
    await page.getByRole("link", { name: "Runs" }).click();
    await page.getByRole("alert").getByText("This page can't be shown").waitFor();
    await page.getByRole("link", { name: "Chat" }).click();
    await page.getByRole("textbox", { name: "Question" }).waitFor();
  });

  it("of runs names their sources after a failure", async () => {
    await page.route(/\/api\/runs\?/, (route) => route.fulfill({ json: { runs: [makeRun()] } }));
    await page.route("**/api/sources", (route) => route.abort());
    await page.getByRole("link", { name: "Runs" }).click();
    await page.getByText("No connection").waitFor();
    await page.route("**/api/sources", (route) => route.fulfill({ json: { sources: [makeSource()] } }));
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("list", { name: "Runs" }).getByRole("link", { name: makeSource().name }).waitFor();
  });

  it("of documents keeps its place when a document is hidden", async () => {
    const summary = { ...DOCUMENT, held: null, chunks: 1, tags: [] };
    await page.route("**/api/sources", (route) => route.fulfill({ json: { sources: [makeSource()] } }));
    await page.route("**/api/documents/d3", (route) => route.fulfill({ json: summary }));
    await page.route(/\/api\/documents\?/, (route) => {
      const n = Number(new URL(route.request().url()).searchParams.get("after") ?? "1");
      const documents = [{ ...summary, id: `d${n}`, title: `Beans ${n}` }];
      return route.fulfill({ json: { documents, next: n < 4 ? `${n + 1}` : null } });
    });
    await page.goto(`${stack.url}/sources/s1`);
    const rows = page.getByRole("list", { name: "Documents" }).getByRole("listitem");
    for (const count of [1, 2, 3]) {
      await expect.poll(() => rows.count()).toBe(count);
      if (count < 3) await page.getByRole("button", { name: "Show more" }).click();
    }
    const reloaded = page.waitForResponse(/after=3/);
    await rows.last().getByRole("button", { name: "Hide" }).click();
    await reloaded;
    await rows.last().getByRole("button", { name: "Hide" }).waitFor();
    expect(await rows.count()).toBe(3);
  });

  it("forgets the problem of one change when another is asked for", async () => {
    const progress = { texts: 2, embedded: 2, is_open: false, error: null };
    const model = { id: 2, name: "new", provider: "local", price: 0, dim: 384, activates: false, activated_at: null };
    const models = [{ ...model, state: "building", created_at: "2026-01-01T00:00:00Z", progress }];
    const list = { models, may_change: true, available: [], providers: [] };
    await page.route("**/api/embedding-models", (route) => route.fulfill({ json: list }));
    await page.route("**/api/embedding-models/2/activate", (route) =>
      route.fulfill({
        status: 409,
        contentType: "application/problem+json",
        json: { title: "Conflict", detail: "Busy." },
      }),
    );
    await page.getByRole("link", { name: "Workspace" }).click();
    await page.getByRole("button", { name: "Activate new" }).click();
    await page.getByRole("alert").getByText("Busy.").waitFor();
    await page.getByRole("button", { name: "Delete new" }).click();
    await page.getByRole("dialog", { name: "Delete new?" }).waitFor();
    expect(await page.getByText("Busy.").count()).toBe(0);
  });
});
