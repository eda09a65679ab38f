/** Make a run for tests. */

import type { Counts, Run } from "../api/types";

export function makeRun(changes: Partial<Run> = {}, counts: Partial<Counts> = {}): Run {
  const zeros = {
    listed: 0,
    added: 0,
    changed: 0,
    moved: 0,
    removed: 0,
    unchanged: 0,
    failed: 0,
    still_failing: 0,
    chunks: 0,
    embedded: 0,
    reused: 0,
  };
  return {
    id: "r1",
    source_id: "s1",
    kind: "collect",
    trigger: "api",
    engine: "tickets",
    execution: null,
    notice: null,
    unmatched: [],
    waiting: null,
    everything: false,
    since: null,
    until: null,
    state: "running",
    snapshot: null,
    total: null,
    counts: { ...zeros, ...counts },
    failures: [],
    warnings: [],
    failure_groups: [],
    steps: [],
    throughput: null,
    seconds_left: null,
    pending_removals: 0,
    error: null,
    created_at: "2026-01-01T00:00:00Z",
    finished_at: null,
    ...changes,
  };
}
