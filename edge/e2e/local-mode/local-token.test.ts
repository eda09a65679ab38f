/** Opening the app in local mode, in a real browser: the printed link, other tabs, other links, pages of other ports. */

import { existsSync } from "node:fs";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { LOCAL_TOKEN } from "../../tests/local";
import { listen, type TestServer } from "../../worker/testing/fixtures";
import { CHROMIUM, expectNoHorizontalScroll, NARROW } from "../browser.mjs";
import { clearPage, stack } from "../stack";

describe.skipIf(!existsSync(CHROMIUM))("opening the app in local mode (needs chromium)", () => {
  let otherPort: TestServer;
  let page: Page;
  let context: BrowserContext;

  beforeAll(async () => {
    page = await stack.openPage();
    context = page.context();
    otherPort = await listen((_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Another app</title>");
      return Promise.resolve();
    });
  });

  afterAll(async () => {
    await context.close();
    await otherPort.close();
  });

  beforeEach(() => {
    stack.chat.reset();
  });

  afterEach(() => clearPage(page, stack.url));

  const expectOpen = (shown = page): Promise<void> => shown.getByRole("textbox", { name: "Question" }).waitFor();
  const expectClosed = (): Promise<void> =>
    page.getByRole("heading", { name: "Open the link from your terminal" }).waitFor();

  it("by the link removes the token from the URL, and opens other tabs too", async () => {
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await expectOpen();
    expect(page.url()).toBe(`${stack.url}/`);
    expect(await page.evaluate(() => document.cookie)).toBe("");
    const tab = await context.newPage();
    await tab.goto(`${stack.url}/chat`);
    await expectOpen(tab);
    await tab.reload();
    await expectOpen(tab);
  });

  it("links to the workspace's page, which the menu of users who sign in has", async () => {
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await page.getByRole("link", { name: "Workspace", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Workspace" }).waitFor();
    await page.setViewportSize({ width: 768, height: 600 });
    await expectNoHorizontalScroll(page, "the workspace's page");
  });

  it("without the link says where to find it, on a narrow screen too", async () => {
    await page.goto(`${stack.url}/sources`);
    await expectClosed();
    await page.setViewportSize(NARROW);
    await expectNoHorizontalScroll(page, "the page that asks for the link");
    expect(await page.getByRole("main").innerText()).toContain("scripts/dev --link");
    expect(stack.chat.questions).toHaveLength(0);
  });

  it.each([LOCAL_TOKEN, `http://127.0.0.1:8787/#token=${LOCAL_TOKEN}`])(
    "by pasting %s returns to the page",
    async (text) => {
      await page.goto(`${stack.url}/chat`);
      await page.getByLabel("Link or token").fill("a wrong one");
      await page.keyboard.press("Enter");
      await page.getByText("Copy the whole text and try again.").waitFor();
      await page.getByLabel("Link or token").fill("another-wrong-one");
      await page.keyboard.press("Enter");
      await page.getByText("The token is not that of this installation.").waitFor();
      await page.getByLabel("Link or token").fill(text);
      await page.keyboard.press("Enter");
      await expectOpen();
      expect(page.url()).toBe(`${stack.url}/chat`);
    },
  );

  it("by a wrong link keeps the token that works", async () => {
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await expectOpen();
    await page.goto("about:blank");
    await page.goto(`${stack.url}/#token=of-an-attacker`);
    await expectOpen();
    await page.goto("about:blank");
    await page.goto(stack.url);
    await expectOpen();
  });

  it("by a link that can't be checked says why, and tries again", async () => {
    await page.route("**/api/me", (route) => route.abort());
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await page.getByRole("alert").getByText("Headwater can't be reached.").waitFor();
    await page.unroute("**/api/me");
    await page.getByRole("button", { name: "Try again" }).click();
    await expectOpen();
  });

  it("asks for the new link when the token has changed", async () => {
    await page.goto(stack.url);
    await page.evaluate(() => {
      localStorage.setItem("headwater:local-token", "of-a-deleted-data-folder");
    });
    await page.reload();
    await expectClosed();
    await page.getByText("The token is not that of this installation.").waitFor();
    await page.goto("about:blank");
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await expectOpen();
  });

  it("leaves nothing to pages of other ports", async () => {
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await expectOpen();
    await page.goto(otherPort.url);
    const found = await page.evaluate(async (api) => {
      const outcome = await fetch(`${api}/api/conversations`, { credentials: "include" }).then(
        (response) => `read ${response.status}`,
        () => "blocked",
      );
      return [Object.keys(localStorage), document.cookie, outcome];
    }, stack.url);
    expect(found).toEqual([[], "", "blocked"]);
  });
});
