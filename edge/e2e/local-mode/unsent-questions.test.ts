/** Questions that were asked without a connection, in a real browser. */

import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { beforeEach, describe, expect, it } from "vitest";
import { CHROMIUM } from "../browser.mjs";
import { openApp, stack } from "../stack";

describe.skipIf(!existsSync(CHROMIUM))("a question without a connection (needs chromium)", () => {
  let page: Page;

  openApp((opened) => {
    page = opened;
  });

  beforeEach(() => {
    stack.chat.wordEveryMs = 5;
  });

  const question = (): ReturnType<Page["getByRole"]> => page.getByRole("textbox", { name: "Question" });
  const ask = async (text: string): Promise<void> => {
    await question().fill(text);
    await page.keyboard.press("Enter");
  };
  const askOffline = async (text: string): Promise<void> => {
    await page.route("**/api/chat", (route) => route.abort());
    await ask(text);
    await page.getByText("No connection").waitFor();
  };
  const expectDraft = (text: string): Promise<void> => expect.poll(() => question().inputValue()).toBe(text);

  it("is the draft of a new chat until it is sent", async () => {
    await askOffline("Why?");
    await expectDraft("");
    await page.getByRole("link", { name: "Sources" }).click();
    await page.getByRole("link", { name: "Chat" }).click();
    await expectDraft("Why?");
    await page.unroute("**/api/chat");
    await page.keyboard.press("Enter");
    await page
      .getByText("ten [1]")
      .or(page.getByRole("list", { name: "Sources" }))
      .first()
      .waitFor();
    await page.getByRole("button", { name: "New chat" }).click();
    await expectDraft("");
    expect(stack.chat.questions).toEqual(["Why?"]);
  });

  it("is the draft after a reload of its page, which has no conversation yet", async () => {
    await askOffline("Why?");
    await page.waitForURL("**/chat/*");
    await page.reload();
    await expectDraft("Why?");
    expect(new URL(page.url()).pathname).toBe("/");
  });

  it("is the draft with a second one, and with what was written below them", async () => {
    await askOffline("Why?");
    await ask("And then?");
    await page.getByText("And then?", { exact: true }).waitFor();
    await question().fill("And now?");
    await page.getByRole("button", { name: "New chat" }).click();
    await expectDraft("Why?\n\nAnd then?\n\nAnd now?");
  });

  it("stays with its conversation, before what was written later", async () => {
    await ask("First");
    await page.getByRole("list", { name: "Sources" }).waitFor();
    const url = page.url();
    await askOffline("And then?");
    await question().fill("And now?");
    await page.getByRole("button", { name: "New chat" }).click();
    await expectDraft("");
    await page.goto(url);
    await expectDraft("And then?\n\nAnd now?");
  });

  it("is no draft if it has arrived", async () => {
    await page.route("**/api/chat", async (route) => {
      await route.fetch().catch(() => null); // the answer is lost
      await route.abort();
    });
    await ask("Why?");
    await page.getByText("No connection").waitFor();
    await page.getByRole("button", { name: "New chat" }).click();
    await page.waitForTimeout(300);
    await expectDraft("");
  });
});
