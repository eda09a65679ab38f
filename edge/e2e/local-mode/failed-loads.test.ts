/** What pages show of what does not exist or fails to load, in a real browser. */

import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { CHROMIUM, expectAccessible } from "../browser.mjs";
import { openApp, stack } from "../stack";

describe.skipIf(!existsSync(CHROMIUM))("a load that fails (needs chromium)", () => {
  let page: Page;

  openApp((opened) => {
    page = opened;
  });

  it.each([
    ["chat/c9", "Conversation not found", "Begin a new chat"],
    ["documents/d9", "Document not found", "Show all sources"],
    ["runs/r9", "Run not found", "Show all runs"],
    ["runs?source=s9", "Source not found", "Show all runs"],
    ["sources/s9", "Source not found", "Show all sources"],
    ["sources/s9/x", "Page not found", "go to the chat"],
  ])("of %s says so and leads on", async (path, heading, link) => {
    const json = { title: "Not found", detail: "There is nothing at /api/runs/r9.", status: 404 };
    await page.route("**/api/runs/r9", (route) => route.fulfill({ status: 404, json }));
    await page.route("**/api/runs?*", (route) => route.fulfill({ json: { runs: [] } }));
    await page.goto(`${stack.url}/${path}`);
    await page.getByRole("heading", { level: 1, name: heading }).waitFor();
    await page.getByRole("link", { name: link }).waitFor();
    expect(await page.getByRole("button", { name: "Try again" }).count()).toBe(0);
    await expectAccessible(page, path);
  });

  it("starts again with all others, and when the browser is online again", async () => {
    const alerts = page.getByRole("alert");
    const answer = (api: string, json: unknown): Promise<unknown> =>
      page.route(`**/api/${api}`, (route) => (json === null ? route.abort() : route.fulfill({ json })));
    for (const api of ["usage?*", "usage/declined", "budgets"]) await answer(api, null);
    await page.getByRole("link", { name: "Usage" }).click();
    await expect.poll(() => alerts.count()).toBe(4);
    await answer("usage?*", { since: "2026-01-01", until: "2026-01-02", prices_date: "2026-01-01", rows: [] });
    await answer("usage/declined", { total: 0, questions: [] });
    await alerts.first().getByRole("button", { name: "Try again" }).click();
    await expect.poll(() => alerts.count()).toBe(1);
    await answer("budgets", { budgets: [] });
    await page.evaluate(() => window.dispatchEvent(new Event("online")));
    await page.getByText("No budget is set.").waitFor();
    expect(await alerts.count()).toBe(0);
  });
});
