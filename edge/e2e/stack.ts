/** What the tests of local mode share: Chromium, and the Worker with the built app in front of a fake chat function. */

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, inject } from "vitest";
import type { ServerProcess } from "../tests/server-process";
import { startLocal } from "../tests/local";
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

/** Start a stack before all tests of this suite, and stop it after them. */
export function useStack(): Stack {
  const stack = new Stack();
  beforeAll(() => stack.start());
  afterAll(() => stack.close());
  return stack;
}
