/** Answers in a real browser: reloads, navigation, stopping, broken connections, errors. */

import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LOCAL_TOKEN } from "../tests/wrangler";
import { CHROMIUM } from "./browser.mjs";
import { useStack } from "./stack";

const COMPLETE = /one two three four five six seven eight nine ten/;

describe.skipIf(!existsSync(CHROMIUM))("an answer (needs chromium)", () => {
  const stack = useStack();
  const { chat } = stack;
  let page: Page;

  beforeEach(async () => {
    chat.questions.length = 0;
    chat.isPaused = true;
    page = await stack.openPage();
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
  });

  afterEach(async () => {
    chat.isPaused = false;
    await page.context().close();
  });

  async function ask(question: string, until = "three"): Promise<void> {
    await page.getByRole("textbox", { name: "Question" }).fill(question);
    await page.keyboard.press("Enter");
    await page.getByText(until).first().waitFor();
  }

  async function expectCompleteAnswer(): Promise<void> {
    await page.getByRole("list", { name: "Sources" }).waitFor();
    const answers = await page.getByRole("article", { name: "Answer" }).allInnerTexts();
    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatch(COMPLETE);
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(chat.questions).toHaveLength(1);
  }

  it("continues after a reload", async () => {
    await ask("reload");
    await page.reload();
    expect(chat.isAnswering).toBe(true);
    chat.isPaused = false;
    await expectCompleteAnswer();
  });

  it("completes after the client disconnects, and is shown on return", async () => {
    await ask("leave");
    const conversation = page.url();
    await page.getByRole("link", { name: "Sources" }).click();
    chat.isPaused = false;
    await expect.poll(() => chat.isAnswering, { timeout: 30_000 }).toBe(false);
    await page.goto(conversation);
    await expectCompleteAnswer();
  });

  it("continues when the user retries after a broken connection", async () => {
    await ask("break");
    chat.breakConnections();
    await page.getByRole("alert").getByText("No connection").waitFor();
    expect(chat.isAnswering).toBe(true);
    chat.isPaused = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expectCompleteAnswer();
  });

  it("is loaded from the history when it completed during a broken connection", async () => {
    await ask("break and wait");
    chat.breakConnections();
    await page.getByRole("alert").waitFor();
    chat.isPaused = false;
    await expect.poll(() => chat.isAnswering, { timeout: 30_000 }).toBe(false);
    await page.getByRole("button", { name: "Try again" }).click();
    await expectCompleteAnswer();
  });

  it("is not asked again when resuming its stream fails", async () => {
    await ask("failed resume");
    chat.resumeFailures = 1;
    await page.reload();
    await page.getByRole("alert").getByText("The database is not responding.").waitFor();
    chat.isPaused = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expectCompleteAnswer();
  });

  it("stops on request and keeps the text so far", async () => {
    await ask("stop");
    await page.getByRole("button", { name: "Stop answering" }).click();
    await page.getByText("This answer was stopped.").waitFor();
    expect(await page.getByRole("article", { name: "Answer" }).innerText()).toMatch(/^one two three/);
    await expect.poll(() => chat.stopped).toHaveLength(1);
    chat.isPaused = false;
    expect(page.url()).toContain(chat.stopped[0]);
    await page.reload();
    await page.getByText("This answer was stopped.").waitFor();
    await page.getByRole("button", { name: "Ask again" }).click();
    await page.getByRole("list", { name: "Sources" }).waitFor();
    expect(await page.getByRole("article", { name: "Answer" }).allInnerTexts()).toEqual([
      expect.stringMatching(COMPLETE),
    ]);
  });

  it("shows the reason when the question is rejected, and keeps the question", async () => {
    await ask("refuse", "An answer is still being written.");
    expect(await page.getByRole("alert").innerText()).toContain("Conflict");
    expect(await page.getByRole("textbox", { name: "Question" }).inputValue()).toBe("refuse");
  });

  it("is not shown in a new chat", async () => {
    await ask("first");
    await page.getByRole("button", { name: "New chat" }).click();
    await page.getByRole("heading", { name: "Ask about your team's documents" }).waitFor();
    expect(new URL(page.url()).pathname).toBe("/");
    await page.goBack();
    await page.getByText("three").waitFor();
  });
});
