/** Provide the folder of the Worker, built as for the one container, to the tests as `builtWorker`: BUILT_WORKER, or that of a new build. */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

const BUILD = resolve(import.meta.dirname, "..", "container", "build.mjs");

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const built = process.env["BUILT_WORKER"]; // by the set-up
  if (built !== undefined) {
    project.provide("builtWorker", built);
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), "worker-"));
  await promisify(execFile)(process.execPath, [BUILD, folder]);
  project.provide("builtWorker", folder);
  return () => rm(folder, { recursive: true });
}
