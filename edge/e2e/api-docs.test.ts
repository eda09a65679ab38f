/** The API page /api/docs in a real browser, under the content security policy of the build. */

import { existsSync } from "node:fs";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { CHROMIUM, launch, open } from "./browser.mjs";
import { ChatFunction } from "./chat-function";
import { LOCAL_TOKEN, startWrangler, type Wrangler } from "../tests/wrangler";

describe.skipIf(!existsSync(CHROMIUM))("the API page (needs chromium)", () => {
  const errors: string[] = [];
  const origins = new Set<string>();
  let chat: ChatFunction;
  let wrangler: Wrangler;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    chat = new ChatFunction();
    wrangler = await startWrangler(inject("app"), await chat.start());
    browser = await launch();
  });

  afterAll(async () => {
    await browser.close();
    await wrangler.close();
    await chat.close();
  });

  beforeEach(async () => {
    page = await open(browser, { viewport: { width: 1280, height: 800 }, colorScheme: "light" }, errors);
    page.on("request", (request) => origins.add(new URL(request.url()).origin));
    await page.goto(`${wrangler.url}/api/docs`);
    return () => page.context().close();
  });

  async function expand(tag: string, id: string): Promise<Locator> {
    const operation = page.locator(`#operations-${tag}-${id}`);
    await operation.locator(".opblock-summary-control").click();
    return operation;
  }

  it("groups operations by tag", async () => {
    await page.getByRole("heading", { name: "Sources" }).waitFor();
    expect(await page.locator(".opblock-tag").count()).toBeGreaterThan(5);
  });

  it("sends a request with the token of the app and shows the response", async () => {
    await page.goto(`${wrangler.url}/#token=${LOCAL_TOKEN}`);
    await page.getByRole("textbox", { name: "Question" }).waitFor();
    await page.goto(`${wrangler.url}/api/docs`);
    const operation = await expand("Conversations", "listConversations");
    await operation.getByRole("button", { name: "Execute" }).click();
    const response = operation.locator(".live-responses-table");
    await response.getByText("200", { exact: true }).waitFor();
    await response.getByText("conversations").first().waitFor();
  });

  it("sends the token or API key that was entered", async () => {
    await page.getByRole("button", { name: "Authorize" }).first().click();
    await page.locator(".auth-container input").fill("hw_secret");
    await page.locator(".auth-btn-wrapper .authorize").click();
    await page.locator(".btn-done").click();
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

  it("has loaded nothing from other origins, and has reported no errors", () => {
    // The Worker rejects the API key with 401, which the browser reports.
    expect(errors.filter((error) => !error.includes("401"))).toEqual([]);
    expect([...origins]).toEqual([wrangler.url]);
  });
});
