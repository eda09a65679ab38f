/** The API page /api/docs in a real browser, under the content security policy of the build. */

import { existsSync } from "node:fs";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOCAL_TOKEN } from "../../tests/local";
import { CHROMIUM } from "../browser.mjs";
import { stack } from "../stack";

describe.skipIf(!existsSync(CHROMIUM))("the API page (needs chromium)", () => {
  const errors: string[] = [];
  const origins = new Set<string>();
  let page: Page;

  // One page for all tests, since the browser takes seconds to draw it.
  beforeAll(async () => {
    page = await stack.openPage(errors);
    page.on("request", (request) => origins.add(new URL(request.url()).origin));
    await page.goto(`${stack.url}/api/docs`);
  });

  afterAll(() => page.context().close());

  async function expand(tag: string, id: string): Promise<Locator> {
    const operation = page.locator(`#operations-${tag}-${id}`);
    if (!(await operation.isVisible())) await page.locator(`#operations-tag-${tag}`).click();
    await operation.locator(".opblock-summary-control").click();
    return operation;
  }

  it("groups operations by tag", async () => {
    await page.getByRole("heading", { name: "Sources" }).waitFor();
    expect(await page.locator(".opblock-tag").count()).toBeGreaterThan(5);
  });

  it("sends the token or API key that was entered", async () => {
    await page.getByRole("button", { name: "Authorize" }).first().click();
    const form = page.locator(".auth-container form").filter({ hasText: "TokenOrApiKey" });
    await form.locator("input").fill("hw_secret");
    await form.locator(".authorize").click();
    await form.locator(".btn-done").click();
    const operation = await expand("Sources", "listSources");
    const request = page.waitForRequest((sent) => sent.url().endsWith("/api/sources"));
    await operation.getByRole("button", { name: "Execute" }).click();
    expect((await request).headers()["authorization"]).toBe("Bearer hw_secret");
  });

  it("shows the schemas", async () => {
    const operation = await expand("Sources", "createSource");
    await operation.getByText("Schema", { exact: true }).first().click();
    await operation.getByText("NewSource").first().waitFor();
  });

  it("sends a request with the token of the app and shows the response", async () => {
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await page.getByRole("textbox", { name: "Question" }).waitFor();
    await page.goto(`${stack.url}/api/docs`);
    const operation = await expand("Conversations", "listConversations");
    await operation.getByRole("button", { name: "Execute" }).click();
    const response = operation.locator(".live-responses-table");
    await response.getByText("200", { exact: true }).waitFor();
    await response.getByText("conversations").first().waitFor();
  });

  it("has loaded nothing from other origins, and has reported no errors", () => {
    // The Worker rejects the API key with 401, which the browser reports.
    expect(errors.filter((error) => !error.includes("status of 401"))).toEqual([]);
    expect([...origins]).toEqual([stack.url]);
  });
});
