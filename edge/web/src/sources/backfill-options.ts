/** Turn the fields of the backfill form into the options of a run. Pure. */

import type { CollectOptions } from "../api/runs";

export interface BackfillFields {
  since: string;
  until: string;
  everything: boolean;
}

/** Return the options of the run; an empty day leaves the period open. */
export function backfillOptions({ since, until, everything }: BackfillFields): CollectOptions {
  return { everything, ...(since && { since }), ...(until && { until }) };
}
