/** Provide the folder of the built web app to the browser tests as `app`: BUILT_APP, or that of a new build. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "vite";
import type { TestProject } from "vitest/node";

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const built = process.env["BUILT_APP"]; // by the set-up
  if (built !== undefined) {
    project.provide("app", built);
    return undefined;
  }
  const outDir = await mkdtemp(join(tmpdir(), "web-"));
  await build({
    root: resolve(import.meta.dirname, "../web"),
    logLevel: "error",
    build: { outDir, emptyOutDir: true },
  });
  project.provide("app", outDir);
  return () => rm(outDir, { recursive: true });
}
