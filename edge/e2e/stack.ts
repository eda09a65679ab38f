/** What the suites of local mode share: Chromium, and the Worker with the built app in front of a fake chat function. */

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, inject } from "vitest";
import type { ServerProcess } from "../tests/server-process";
import { LOCAL_TOKEN, startLocal } from "../tests/local";
import { DESK, launch, open } from "./browser.mjs";
import { ChatFunction } from "./chat-function";

export class Stack {
  readonly chat = new ChatFunction();
  #edge?: ServerProcess;
  #browser?: Browser;

  async start(): Promise<void> {
    this.#edge = await startLocal(inject("app"), await this.chat.start());
    this.#browser = await launch();
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    await this.#edge?.close();
    await this.chat.close();
  }

  get url(): string {
    return this.#edge?.url ?? "";
  }

  /** Open an empty page in a new context. Its console errors are added to `errors`. */
  async openPage(errors: string[] = []): Promise<Page> {
    if (!this.#browser) throw new Error("The stack has not started.");
    return open(this.#browser, { viewport: DESK, colorScheme: "light" }, errors);
  }
}

/** The stack that all suites of local mode share. */
export const stack = new Stack();

/** Open a page for a suite, and pass it to `use`. In it, each test finds the app open, signed in, and as if it were new. */
export function openApp(use: (page: Page) => void): void {
  let page: Page;

  beforeAll(async () => {
    page = await stack.openPage();
    use(page);
  });

  afterAll(() => page.context().close());

  beforeEach(async () => {
    stack.chat.reset();
    await page.goto(`${stack.url}/#token=${LOCAL_TOKEN}`);
    await page.getByRole("textbox", { name: "Question" }).waitFor();
  });

  afterEach(() => clearPage(page, stack.url));
}

/**
 * Leave a page of the app at `url` for the next test as if it were new: no storage, cookies, permissions, routes or other
 * tabs. Init scripts and listeners of the page stay.
 * Its process and cache remain, which saves half the processor time of opening the app.
 */
export async function clearPage(page: Page, url: string): Promise<void> {
  const context = page.context();
  for (const other of context.pages()) if (other !== page) await other.close();
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.goto(`${url}/env`); // of the app's origin, so that Chromium keeps the process
  await page.evaluate(() => {
    localStorage.clear();
    sessionStorage.clear();
  });
  await context.clearCookies();
  await context.clearPermissions();
  await page.setViewportSize(DESK);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}
