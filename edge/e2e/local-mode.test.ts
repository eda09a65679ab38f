/** The app in local mode, in a real browser. One file: to start a Worker and a browser takes 2 s of processor time. */

import { existsSync } from "node:fs";
import { afterAll, beforeAll } from "vitest";
import { CHROMIUM } from "./browser.mjs";
import { stack } from "./stack";
import "./local-mode/answers.test";
import "./local-mode/api-docs.test";
import "./local-mode/extraction.test";
import "./local-mode/failed-loads.test";
import "./local-mode/local-token.test";
import "./local-mode/pages.test";
import "./local-mode/sources-page.test";
import "./local-mode/unsent-questions.test";
import "./local-mode/web-faults.test";

if (existsSync(CHROMIUM)) {
  beforeAll(() => stack.start());
  afterAll(() => stack.close());
}
