/** An answer's ways through a real browser: reloads, pages left, stops, broken connections, refusals. */

import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { CHROMIUM, launch, open } from "./browser.mjs";
import { ChatFunction } from "./chat-function";
import { startEdge, type Edge } from "../tests/wrangler";

const WHOLE = /one two three four five six seven eight nine ten/;

describe.skipIf(!existsSync(CHROMIUM))("an answer (needs chromium)", () => {
  let chat: ChatFunction;
  let edge: Edge;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    chat = new ChatFunction();
    edge = await startEdge(inject("app"), await chat.start());
    browser = await launch();
  });

  afterAll(async () => {
    await browser.close();
    await edge.close();
    await chat.close();
  });

  beforeEach(async () => {
    chat.asked.length = 0;
    chat.isHeld = true;
    page = await open(browser, { viewport: { width: 1280, height: 800 }, colorScheme: "light" }, []);
    await page.goto(edge.url);
  });

  afterEach(async () => {
    chat.isHeld = false;
    await page.context().close();
  });

  async function ask(question: string, until = "three"): Promise<void> {
    await page.getByRole("textbox", { name: "Question" }).fill(question);
    await page.keyboard.press("Enter");
    await page.getByText(until).first().waitFor();
  }

  async function expectWholeAnswer(): Promise<void> {
    await page.getByRole("list", { name: "Sources" }).waitFor();
    const answers = await page.getByRole("article", { name: "Answer" }).allInnerTexts();
    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatch(WHOLE);
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(chat.asked).toHaveLength(1);
  }

  it("goes on after a reload", async () => {
    await ask("reload");
    await page.reload();
    expect(chat.isAnswering).toBe(true);
    chat.isHeld = false;
    await expectWholeAnswer();
  });

  it("is finished while nobody looks, and there when somebody comes back", async () => {
    await ask("leave");
    const conversation = page.url();
    await page.getByRole("link", { name: "Sources" }).click();
    chat.isHeld = false;
    await expect.poll(() => chat.isAnswering, { timeout: 30_000 }).toBe(false);
    await page.goto(conversation);
    await expectWholeAnswer();
  });

  it("goes on after a broken connection, when one tries again", async () => {
    await ask("break");
    chat.breakConnections();
    await page.getByRole("alert").getByText("No connection").waitFor();
    expect(chat.isAnswering).toBe(true);
    chat.isHeld = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expectWholeAnswer();
  });

  it("is read from the history when it ended while the connection was broken", async () => {
    await ask("break and wait");
    chat.breakConnections();
    await page.getByRole("alert").waitFor();
    chat.isHeld = false;
    await expect.poll(() => chat.isAnswering, { timeout: 30_000 }).toBe(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await expectWholeAnswer();
  });

  it("isn't asked for anew when it only couldn't be looked for", async () => {
    await ask("reload in vain");
    chat.failuresToFollow = 1;
    await page.reload();
    await page.getByRole("alert").getByText("The database does not answer.").waitFor();
    chat.isHeld = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expectWholeAnswer();
  });

  it("stops when one says so, and keeps what there is", async () => {
    await ask("stop");
    await page.getByRole("button", { name: "Stop answering" }).click();
    await page.getByText("This answer was stopped.").waitFor();
    expect(await page.getByRole("article", { name: "Answer" }).innerText()).toMatch(/^one two three/);
    await expect.poll(() => chat.stopped).toHaveLength(1);
    chat.isHeld = false;
    expect(page.url()).toContain(chat.stopped[0]);
    await page.reload();
    await page.getByText("This answer was stopped.").waitFor();
    await page.getByRole("button", { name: "Ask again" }).click();
    await page.getByRole("list", { name: "Sources" }).waitFor();
    expect(await page.getByRole("article", { name: "Answer" }).allInnerTexts()).toEqual([expect.stringMatching(WHOLE)]);
  });

  it("that is refused says why", async () => {
    await ask("refuse", "An answer is still being written.");
    expect(await page.getByRole("alert").innerText()).toContain("Conflict");
  });

  it("belongs to its conversation: a new chat begins empty", async () => {
    await ask("first");
    await page.getByRole("button", { name: "New chat" }).click();
    await page.getByRole("heading", { name: "Ask about your team's documents" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/");
    await page.goBack();
    await page.getByText("three").waitFor();
  });
});
