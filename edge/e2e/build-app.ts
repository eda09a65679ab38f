/** Build the web app once for the browser tests, and provide its folder to them as `app`. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "vite";
import type { TestProject } from "vitest/node";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const outDir = await mkdtemp(join(tmpdir(), "web-"));
  await build({
    root: resolve(import.meta.dirname, "../web"),
    logLevel: "error",
    build: { outDir, emptyOutDir: true },
  });
  project.provide("app", outDir);
  return () => rm(outDir, { recursive: true });
}
